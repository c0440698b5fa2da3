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
  /** A sentence of the result: on a terminal in lines of whole words. */
  say(text: string): void;
  /** The same about what goes on or went wrong. */
  tell(text: string): void;
  /** The text with its commands as this person has to type them, which what is said and told has anyway. */
  typed(text: string): string;
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

export function createTerminal(sinks: {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly colors: boolean;
  /** What becomes of a sentence before it is shown; absent: nothing. */
  readonly typed?: (text: string) => string;
  /** How wide the terminals are; absent or 0 where text goes elsewhere. */
  readonly columns?: number;
  readonly messageColumns?: number;
}): Terminal {
  const { stdout, stderr, colors, columns = 0, typed = (text) => text } = sinks;
  const paint = (on: number, off: number) => (text: string) =>
    colors ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    print: (line = '') => void stdout.write(`${line}\n`),
    write: (text) => void stdout.write(text),
    say: (text) => void stdout.write(`${messageLines(typed(text), columns).join('\n')}\n`),
    tell: (text) => void stderr.write(`${messageLines(typed(text), sinks.messageColumns ?? 0).join('\n')}\n`),
    typed,
    bold: paint(1, 22),
    dim: paint(2, 22),
    good: paint(32, 39),
    bad: paint(31, 39),
  };
}

const gap = '  ';

/**
 * Rows under a head, each column as wide as its widest cell. Columns for which the terminal has no room stand below the
 * others, further in: nothing is cut, since an id or a fingerprint that is cut is none.
 */
export function tableLines(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  columns = 0,
): { readonly head: string[]; readonly rows: string[] } {
  const whole = rows.map((row) => row.map(inOneLine));
  const widths = head.map((title, at) => Math.max(title.length, ...whole.map((row) => row[at]?.length ?? 0)));
  const places = widths.map((width, at) => ({ width, at }));
  const [first = [], ...below] = columns > 0 ? folded(places, columns) : [places];
  const linesOf = (row: readonly string[]) => [
    lineOf(row, first),
    ...below.map((some) => `${gap}${lineOf(row, some)}`.trimEnd()).filter((line) => line !== ''),
  ];
  return { head: linesOf(head), rows: whole.flatMap(linesOf) };
}

interface Place {
  readonly at: number;
  readonly width: number;
}

function lineOf(row: readonly string[], places: readonly Place[]): string {
  return places
    .map(({ at, width }) => (row[at] ?? '').padEnd(width))
    .join(gap)
    .trimEnd();
}

/** As many columns in a line as fit, and in each one at least. */
function folded(places: readonly Place[], columns: number): Place[][] {
  const lines: Place[][] = [];
  let used = 0;
  for (const place of places) {
    const line = lines.at(-1);
    const wider = used + gap.length + place.width;
    if (line && wider <= columns) {
      line.push(place);
      used = wider;
    } else {
      lines.push([place]);
      used = place.width + (lines.length > 1 ? gap.length : 0);
    }
  }
  return lines;
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

/**
 * Sentences in lines of whole words. What is set out already, as a list or further in, stays as it is; a command behind
 * a colon stays in one line, so that it can be taken from the screen.
 */
export function messageLines(text: string, columns: number): string[] {
  return text.split('\n').flatMap((line) => {
    if (shownLength(line) <= columns || /^\s|\s{2}/.test(line)) return [line];
    return wrappedLines(line, columns, piecesOf(line));
  });
}

const command = /(?<=[^ ]: )(?:[A-Z_]+=\S+ )?(?:sally|ssh|ssh-keygen|eval|ls) .*?(?=[.,;)](?: |$)|$)/g;

function piecesOf(line: string): string[] {
  const held = line.replace(command, (found) => found.replaceAll(' ', '\0'));
  return held.split(' ').map((piece) => piece.replaceAll('\0', ' '));
}

/** With less room a line that the terminal breaks is easier to read. */
const leastColumns = 20;

/** The same words in lines that are no longer, but for a word that is; colors take no room. */
export function wrappedLines(text: string, columns: number, words = text.split(' ')): string[] {
  if (columns < leastColumns) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
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
