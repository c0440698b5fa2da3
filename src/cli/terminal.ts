/**
 * What `sally` prints. Results go to stdout, everything else to stderr; colors only on a terminal and never with
 * NO_COLOR; nothing depends on a color alone.
 */
import type { SallyEnvironment, TextSink } from './environment.ts';

export interface Terminal {
  /** A line of the result. */
  print(line?: string): void;
  /** Text of the result without a line end. */
  write(text: string): void;
  /** A line about what goes on or went wrong. */
  tell(line: string): void;
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

export function createTerminal(sinks: { stdout: TextSink; stderr: TextSink; colors: boolean }): Terminal {
  const { stdout, stderr, colors } = sinks;
  const paint = (on: number, off: number) => (text: string) =>
    colors ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    print: (line = '') => void stdout.write(`${line}\n`),
    write: (text) => void stdout.write(text),
    tell: (line) => void stderr.write(`${line}\n`),
    bold: paint(1, 22),
    dim: paint(2, 22),
    good: paint(32, 39),
    bad: paint(31, 39),
  };
}

/** Rows under a head, each column as wide as its widest cell. The last column is cut where the terminal ends. */
export function tableLines(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  columns = 0,
): string[] {
  const whole = rows.map((row) => row.map(inOneLine));
  const widths = head.map((title, at) => Math.max(title.length, ...whole.map((row) => row[at]?.length ?? 0)));
  return [head, ...whole].map((row) => {
    const line = row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd();
    return columns > 0 && line.length > columns ? `${line.slice(0, columns - 1)}~` : line;
  });
}

/** No cell makes a line of its own, which could look like one of ours. */
function inOneLine(cell: string): string {
  return cell.replaceAll('\n', '\\u{a}');
}

/** Facts under each other: the names in one column, what they are in the next, over several lines where one is too short. */
export function factLines(facts: readonly (readonly [name: string, fact: string])[], columns = 0): string[] {
  const width = Math.max(...facts.map(([name]) => name.length)) + 2;
  return facts.flatMap(([name, fact]) =>
    wrappedLines(fact, columns - width).map((line, at) => `${(at === 0 ? name : '').padEnd(width)}${line}`),
  );
}

/** With less room a line that the terminal breaks is easier to read. */
const leastColumns = 20;

/** The same words in lines that are no longer, but for a word that is; colors take no room. */
export function wrappedLines(text: string, columns: number): string[] {
  if (columns < leastColumns) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && shownLength(`${line} ${word}`) > columns) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function shownLength(text: string): number {
  return text.replace(/\x1b\[[0-9]+m/g, '').length;
}

/** How wide the terminal is; 0 where there is none, so that programs find one fact in one line. */
export function terminalColumns({
  isTerminal,
  columns = 0,
}: Pick<SallyEnvironment, 'isTerminal' | 'columns'>): number {
  return isTerminal ? columns : 0;
}
