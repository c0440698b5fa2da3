/**
 * The menu of a gateway as a state machine, pure: keys in, the next state out, or what was chosen. Its rules: `q` quits
 * while nothing is typed (after `/` it is a letter), Ctrl-C and Ctrl-D always; Esc clears what was typed, then goes back;
 * only what can be reached now can be chosen, and the others say why not.
 */
import { type MenuKey, menuKeys } from './menu-keys.ts';
import { above, entriesAt, type MenuEntry, type MenuPath, pathOfApp, settled } from './menu-levels.ts';
import type { MenuTarget } from './menu-targets.ts';

export interface MenuState {
  readonly path: MenuPath;
  /** What was typed; entries without it are left out. */
  readonly filter: string;
  /** Everything typed belongs to the filter. */
  readonly isFiltering: boolean;
  /** The key of the entry under the cursor; null: the first. */
  readonly selected: string | null;
  /** Said until the next key. */
  readonly message: string | null;
  /** How many entries a page holds. */
  readonly page: number;
}

export type MenuStep =
  | { readonly kind: 'stay'; readonly state: MenuState }
  | { readonly kind: 'chosen'; readonly target: MenuTarget }
  | { readonly kind: 'quit' };

const longestFilter = 64;

/**
 * Where the menu begins: past everything that leaves no choice, which may be the only target itself.
 * @param app one of the app's instances, where the person named the app
 */
export function openMenu(targets: readonly MenuTarget[], page: number, app?: MenuTarget): MenuStep {
  const path = settled(app ? pathOfApp(app) : [], targets);
  const state = { path, filter: '', isFiltering: false, selected: null, message: null, page };
  const [only, ...others] = entriesAt(path, targets);
  return only !== undefined && others.length === 0 && targets.length === 1
    ? choose(state, only, targets)
    : { kind: 'stay', state };
}

/** @param typed bytes of one read of the terminal */
export function pressKeys(state: MenuState, typed: string, targets: readonly MenuTarget[]): MenuStep {
  let step: MenuStep = {
    kind: 'stay',
    state: { ...state, path: settled(state.path, targets), message: null },
  };
  for (const key of menuKeys(typed)) {
    if (step.kind !== 'stay') return step;
    step = press(step.state, key, targets);
  }
  return step;
}

/** The entries that the filter lets through: it looks at everything that lies behind one. */
export function shownEntries({ path, filter }: MenuState, targets: readonly MenuTarget[]): MenuEntry[] {
  const wanted = filter.toLowerCase();
  const holds = (text: string) => text.toLowerCase().includes(wanted);
  return entriesAt(path, targets).filter(
    (entry) =>
      holds(entry.label) ||
      holds(entry.state) ||
      holds(entry.more) ||
      entry.targets.some(({ name, id, role }) => holds(name) || holds(id) || holds(role)),
  );
}

export function cursorOf({ selected }: MenuState, shown: readonly MenuEntry[]): number {
  return Math.max(
    0,
    shown.findIndex(({ key }) => key === selected),
  );
}

function press(state: MenuState, key: MenuKey, targets: readonly MenuTarget[]): MenuStep {
  const { filter, isFiltering } = state;
  switch (key.kind) {
    case 'interrupt':
      return { kind: 'quit' };
    case 'character':
      if (filter === '' && !isFiltering && (key.character === 'q' || key.character === 'Q')) {
        return { kind: 'quit' };
      }
      if (filter === '' && !isFiltering && key.character === '/') {
        return stay({ ...state, isFiltering: true });
      }
      return stay(filtered(state, (filter + key.character).slice(0, longestFilter)));
    case 'erase':
      if (filter !== '') return stay(filtered(state, filter.slice(0, -1)));
      return stay(isFiltering ? filtered(state, '') : back(state, targets));
    case 'clear':
      return stay(filtered(state, ''));
    case 'escape':
      return stay(filter !== '' || isFiltering ? filtered(state, '') : back(state, targets));
    case 'left':
      return stay(back(state, targets));
    case 'enter':
    case 'right': {
      const shown = shownEntries(state, targets);
      const entry = shown[cursorOf(state, shown)];
      return entry === undefined ? stay(state) : choose(state, entry, targets);
    }
    default:
      return stay(moved(state, key.kind, targets));
  }
}

function stay(state: MenuState): MenuStep {
  return { kind: 'stay', state };
}

/** An empty filter is none: letters are commands again. */
function filtered(state: MenuState, filter: string): MenuState {
  return { ...state, filter, isFiltering: state.isFiltering && filter !== '', selected: null };
}

function back(state: MenuState, targets: readonly MenuTarget[]): MenuState {
  const path = above(state.path, targets);
  if (path.length === state.path.length) return state;
  return { ...filtered(state, ''), path, selected: state.path[path.length] ?? null };
}

function choose(state: MenuState, { targets: behind, key }: MenuEntry, all: readonly MenuTarget[]): MenuStep {
  const [target, ...others] = behind;
  if (others.length > 0) {
    return stay({ ...filtered(state, ''), path: settled([...state.path, key], all) });
  }
  if (target.obstacle === null) return { kind: 'chosen', target };
  return stay({ ...state, selected: key, message: target.obstacle });
}

type Move = 'up' | 'down' | 'pageUp' | 'pageDown' | 'first' | 'last';

function moved(state: MenuState, move: Move, targets: readonly MenuTarget[]): MenuState {
  const shown = shownEntries(state, targets);
  const cursor = cursorOf(state, shown);
  const steps = {
    up: cursor - 1,
    down: cursor + 1,
    pageUp: cursor - state.page,
    pageDown: cursor + state.page,
    first: 0,
    last: shown.length - 1,
  };
  const next = Math.min(Math.max(steps[move], 0), shown.length - 1);
  return { ...state, selected: shown[next]?.key ?? null };
}
