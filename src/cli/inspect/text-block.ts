/** Lines of text under each other: names in one column, what they are in the next, wrapped at the terminal's width. */

export interface Row {
  readonly name: string;
  readonly text: string;
  /** Paints a finished line; nothing is measured afterwards. */
  readonly paint?: (line: string) => string;
}

export interface BlockShape {
  /** Blanks in front. */
  readonly indent: number;
  /** Least width of the column of names. */
  readonly nameWidth: number;
  readonly columns: number;
}

/** A name that leaves its text less than this many columns gets a line of its own. */
const narrowest = 30;

export function blockLines(rows: readonly Row[], { indent, nameWidth, columns }: BlockShape): string[] {
  // Not Math.max(...): a file can hold more rows than a call takes arguments.
  const widest = rows.reduce((most, { name }) => Math.max(most, name.length), nameWidth);
  const width = Math.min(widest, Math.max(nameWidth, columns - indent - 2 - narrowest));
  return rows.flatMap(({ name, text, paint = (line) => line }) => {
    const margin = ' '.repeat(indent + width + 2);
    const [first = '', ...more] = wrapped(text, columns - margin.length);
    const names = wrapped(name, columns - indent).map((line) => ' '.repeat(indent) + line);
    const [head = ''] = names;
    const start =
      name.length > width
        ? [...names, margin + paint(first)]
        : [`${head.padEnd(margin.length)}${paint(first)}`];
    return [...start, ...more.map((line) => margin + paint(line))].map((line) => line.trimEnd());
  });
}

/** At blanks; a word that is longer than a line is cut, so that nothing leaves its column. */
export function wrapped(text: string, width: number): string[] {
  const words = text.split(' ').flatMap((word) => word.match(new RegExp(`.{1,${width}}`, 'g')) ?? ['']);
  const lines: string[] = [];
  let line: string | undefined;
  for (const word of words) {
    if (line === undefined) line = word;
    else if (line.length + 1 + word.length <= width) line = `${line} ${word}`;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line ?? ''];
}
