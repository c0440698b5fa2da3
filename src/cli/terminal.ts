/**
 * What `sally` prints. Results go to stdout, everything else to stderr; colors only on a terminal and never with
 * NO_COLOR; nothing depends on a color alone.
 */
import type { TextSink } from './environment.ts';

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

/** Facts under each other: the names in one column, what they are in the next. */
export function factLines(facts: readonly (readonly [name: string, fact: string])[]): string[] {
  const width = Math.max(...facts.map(([name]) => name.length));
  return facts.map(([name, fact]) => `${name.padEnd(width)}  ${inOneLine(fact)}`);
}
