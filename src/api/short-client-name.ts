/**
 * What a client calls itself, short enough for a list: "Firefox on macOS" of a browser's User-Agent, else its first 60
 * characters. Only for people to recognize their own machine; anybody can call themselves anything.
 */
const browsers: readonly (readonly [RegExp, string])[] = [
  // In this order: each browser also claims to be those after it.
  [/\bEdg(e|A|iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\b(Firefox|FxiOS)\//, 'Firefox'],
  [/\b(HeadlessChrome|Chrome|CriOS)\//, 'Chrome'],
  [/\bVersion\/[\d.]+ .*Safari\//, 'Safari'],
];
const systems: readonly (readonly [RegExp, string])[] = [
  [/\bAndroid\b/, 'Android'],
  [/\b(iPhone|iPad)\b/, 'iOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
];
const longest = 60;

export function shortClientName(name: string): string {
  const browser = first(browsers, name);
  if (name.startsWith('Mozilla/') && browser) {
    const system = first(systems, name);
    return system ? `${browser} on ${system}` : browser;
  }
  return name.length > longest ? `${name.slice(0, longest)}…` : name;
}

function first(table: readonly (readonly [RegExp, string])[], text: string): string | undefined {
  return table.find(([pattern]) => pattern.test(text))?.[1];
}
