/** The part of YAML that our compose files are written in: nested maps, lists of words, comments. Refuses all else. */
export type Yaml = string | null | readonly Yaml[] | { readonly [key: string]: Yaml };

interface Line {
  readonly indent: number;
  readonly text: string;
}

export function readYaml(source: string): Yaml {
  const lines = source
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .map((line) => ({ indent: line.search(/\S/), text: line.trim() }));
  const value = readBlock(lines, 0);
  if (lines.length > 0) throw new Error(`not understood: ${lines[0]?.text}`);
  return value;
}

function readBlock(lines: Line[], indent: number): Yaml {
  if (lines[0]?.text.startsWith('- ')) {
    const items: Yaml[] = [];
    while (lines[0]?.indent === indent && lines[0].text.startsWith('- ')) {
      const text = lines.shift()?.text.slice(2) ?? '';
      const [, key, value] = /^([a-z_]+): (.+)$/.exec(text) ?? [];
      items.push(key && value ? { [key]: readValue(value) } : readValue(text));
    }
    return items;
  }
  const map: Record<string, Yaml> = {};
  while (lines[0]?.indent === indent) {
    const [, key = '', value] = /^([A-Za-z_]+):(?: (.+))?$/.exec(lines.shift()?.text ?? '') ?? [];
    if (key === '' || key in map) throw new Error(`not a key, or there twice: ${key}`);
    const below = lines[0];
    if (value !== undefined) map[key] = readValue(value);
    else map[key] = below && below.indent > indent ? readBlock(lines, below.indent) : null;
  }
  return map;
}

function readValue(text: string): Yaml {
  if (text.startsWith('[') && text.endsWith(']')) {
    const words = text.slice(1, -1).match(/"[^"]*"|[^",\s][^",]*/g) ?? [];
    return words.map((word) => readValue(word.trim()));
  }
  if (/^"[^"\\]*"$/.test(text)) return text.slice(1, -1);
  if (/["'{}&*|>\\]|: | #/.test(text)) throw new Error(`not understood: ${text}`);
  return text;
}
