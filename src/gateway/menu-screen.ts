/**
 * A menu on a terminal, pure: lines for the size that it has, for terminals that know no more than a VT100. Whatever is
 * shown is printable ASCII: names and roles may come from anybody, and an escape sequence in one must not act. What does
 * not fit is cut and ends with three dots.
 */
import { cursorOf, type MenuState, shownEntries } from './menu.ts';
import { crumbsOf, levelOf, type MenuEntry } from './menu-levels.ts';
import type { MenuTarget } from './menu-targets.ts';

export interface ScreenSize {
  readonly rows: number;
  readonly columns: number;
}

/** What the screen is about beside the menu's own state. */
export interface ScreenTitle {
  readonly account: string;
  readonly gateway: string;
}

/** Title, place and blank above; blank, two lines of a message, help and filter below; the heading of the columns. */
const otherLines = 9;
/** Below this only the entries, what is said and what is typed have room. */
const fewRows = 12;
const help = 'Arrows: move   Enter: open   letters: filter   Esc: back   q: quit';

/** How many entries are shown at once. */
export function pageOf({ rows }: ScreenSize): number {
  return Math.max(1, rows < fewRows ? rows - 3 : rows - otherLines);
}

/** Everything that is printed: the cursor ends behind what was typed, on the last line. */
export function menuScreen(
  state: MenuState,
  targets: readonly MenuTarget[],
  { account, gateway }: ScreenTitle,
  size: ScreenSize,
): string {
  // The last column stays empty: some terminals go to the next line behind it.
  const width = Math.max(1, size.columns - 1);
  const shown = shownEntries(state, targets);
  const cursor = cursorOf(state, shown);
  const first = Math.floor(cursor / state.page) * state.page;
  const list = table(shown, levelOf(state.path).title, width);
  const entries = list.rows
    .slice(first, first + state.page)
    .map((line, index) =>
      first + index === cursor ? reversed(`> ${line}`, width) : cut(`  ${line}`, width),
    );
  const place = [...crumbsOf(state.path, targets), `choose: ${levelOf(state.path).title.toLowerCase()}`];
  const said =
    state.message ?? (shown.length === 0 ? 'Nothing here holds what you typed. Esc clears it.' : '');
  const [one = '', two = ''] = wrapped(said, width);
  const typed = `Filter: ${state.filter || (state.isFiltering ? '/' : '')}`;
  const above = [`Sallyport gateway ${gateway}   ${account}`, place.join(' > '), ''];
  const lines =
    size.rows < fewRows
      ? [...entries, cut(one, width), cut(typed, width)]
      : [
          ...above.map((line) => cut(line, width)),
          cut(`  ${list.heading}${range(first, state.page, shown.length)}`, width),
          ...entries,
          '',
          ...(two === '' ? [cut(one, width)] : [cut(one, width), cut(two, width)]),
          cut(help, width),
          cut(typed, width),
        ];
  return `\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`;
}

/** Before the first one: what was on the terminal before goes. */
export const clearScreen = '\x1b[2J';

function range(first: number, page: number, count: number): string {
  return count <= page ? '' : `   (${first + 1}-${Math.min(first + page, count)} of ${count})`;
}

interface Table {
  readonly heading: string;
  readonly rows: readonly string[];
}

/** Columns as wide as what stands in them; the name gets what the others leave, and gives what they need least of all. */
function table(entries: readonly MenuEntry[], title: string, width: number): Table {
  const columns = [
    { heading: title, of: ({ label }: MenuEntry) => label },
    { heading: 'Id', of: ({ id }: MenuEntry) => id },
    { heading: 'State', of: ({ state }: MenuEntry) => state },
    { heading: '', of: ({ more }: MenuEntry) => more },
  ];
  const texts = entries.map((entry) => columns.map((column) => printable(column.of(entry))));
  const widths = columns.map(({ heading }, index) => {
    const longest = Math.max(0, ...texts.map((cells) => cells[index]?.length ?? 0));
    return longest === 0 ? 0 : Math.max(longest, heading.length);
  });
  const [name = 0, ...others] = widths;
  const taken = others.reduce((sum, one) => sum + (one === 0 ? 0 : one + 2), 2);
  const room = Math.max(Math.min(12, name), width - taken);
  const fitted = [Math.min(name, room), ...others];
  const line = (cells: readonly string[]) =>
    cells
      .flatMap((cell, index) => {
        const own = fitted[index] ?? 0;
        return own === 0 ? [] : [cut(cell, own).padEnd(own)];
      })
      .join('  ')
      .trimEnd();
  return { heading: line(columns.map(({ heading }) => heading)), rows: texts.map(line) };
}

function reversed(line: string, width: number): string {
  return `\x1b[7m${cut(line, width).padEnd(width)}\x1b[0m`;
}

function cut(text: string, width: number): string {
  const plain = printable(text);
  return plain.length <= width ? plain : `${plain.slice(0, Math.max(0, width - 3))}...`.slice(0, width);
}

/** Between words where there are any. */
function wrapped(text: string, width: number): string[] {
  if (text.length <= width) return [text];
  const at = text.lastIndexOf(' ', width);
  return at < 1 ? [text.slice(0, width), text.slice(width)] : [text.slice(0, at), text.slice(at + 1)];
}

function printable(text: string): string {
  return text.replace(/[^ -~]/gu, '?');
}
