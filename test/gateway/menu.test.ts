import { describe, expect, test } from 'vitest';
import { readAsked } from '../../src/gateway/asked-target.ts';
import { type MenuState, type MenuStep, openMenu, pressKeys } from '../../src/gateway/menu.ts';
import { menuScreen, pageOf } from '../../src/gateway/menu-screen.ts';
import type { MenuTarget } from '../../src/gateway/menu-targets.ts';

const size = { rows: 24, columns: 80 };
const page = pageOf(size);
const title = { account: 'alice@example.com', gateway: 'gate' };
const [up, down, left, right] = ['\x1b[A', '\x1b[B', '\x1b[D', '\x1b[C'];
const escapeKey = '\x1b';

let uid = 600_000;
function target(
  project: string,
  environment: string,
  app: string,
  change: Partial<MenuTarget> = {},
): MenuTarget {
  uid += 1;
  const { instance } = change;
  return {
    name: `${project}-${environment}--${app}${instance === undefined ? '' : `--${instance}`}`,
    id: `100001-${uid}`,
    organization: 'example',
    project,
    environment,
    environmentKind: 'production',
    app,
    instance: app,
    state: 'running',
    role: '',
    obstacle: null,
    isApp: false,
    ...change,
  };
}

const web1 = target('shop', 'production', 'web', { instance: '1', role: 'web' });
const web2 = target('shop', 'production', 'web', {
  instance: '2',
  state: 'stopped',
  obstacle: 'The instance shop-production--web--2 is stopped. It must be started first.',
});
const queue = target('shop', 'production', 'queue');
const blog = target('blog', 'staging', 'site', { environmentKind: 'staging' });
const all = [web1, web2, queue, blog];

function stateOf(step: MenuStep): MenuState {
  if (step.kind !== 'stay') throw new Error(`the menu is over: ${step.kind}`);
  return step.state;
}

/** Opens the menu and types, a read of the terminal for each text. */
function opened(targets: readonly MenuTarget[], ...typed: readonly string[]): MenuStep {
  let step = openMenu(targets, page);
  for (const keys of typed) step = pressKeys(stateOf(step), keys, targets);
  return step;
}

/** What stands on the terminal, without what only places and colours it. */
function linesAfter(targets: readonly MenuTarget[], ...typed: readonly string[]): string[] {
  const screen = menuScreen(stateOf(opened(targets, ...typed)), targets, title, size);
  return screen
    .replace(/\x1b\[[0-9;]*[A-Za-z]/g, '')
    .split('\r\n')
    .map((line) => line.trimEnd());
}

const marked = (lines: readonly string[]) => lines.find((line) => line.startsWith('> '));

describe('levels', () => {
  test('a level with one entry is passed by, and the first with a choice is shown', () => {
    const lines = linesAfter(all);
    expect(lines[1]).toBe('example > choose: project / environment');
    expect(lines.slice(4, 6)).toEqual([
      expect.stringMatching(/^> blog \/ staging +100001-\d+ +running +staging$/),
      expect.stringMatching(/^ {2}shop \/ production +2 of 3 running +production$/),
    ]);
  });

  test('Enter and the arrow to the right go down, the arrow to the left and erasing go up', () => {
    expect(linesAfter(all, down, '\r')[1]).toBe('example > shop / production > choose: app');
    expect(linesAfter(all, down, right)[1]).toBe('example > shop / production > choose: app');
    for (const key of [left, '\x7f', escapeKey]) {
      const lines = linesAfter(all, down, '\r', key);
      expect(lines[1]).toBe('example > choose: project / environment');
      expect(marked(lines)).toMatch(/shop/);
    }
    expect(linesAfter(all, left)[1]).toBe('example > choose: project / environment');
  });

  test('whatever has one target behind it is that target', () => {
    expect(opened(all, '\r')).toEqual({ kind: 'chosen', target: blog });
    expect(opened(all, down, '\r', '\r')).toEqual({ kind: 'chosen', target: queue });
    expect(opened(all, down, '\r', down, '\r', '\r')).toEqual({ kind: 'chosen', target: web1 });
  });

  test('the only target there is needs no menu, unless it can not be reached', () => {
    expect(openMenu([blog], page)).toEqual({ kind: 'chosen', target: blog });
    const lines = linesAfter([web2]);
    expect(lines.join('\n')).toContain('It must be started first.');
  });

  test('an app that was named is where the menu begins', () => {
    const step = openMenu(all, page, web1);
    expect(stateOf(step).path).toEqual(['example', 'shop/production', 'web']);
  });

  test('a place that is no more is left for the one above it', () => {
    const state = stateOf(opened(all, down, '\r', down, '\r'));
    expect(state.path).toHaveLength(3);
    expect(stateOf(pressKeys(state, '', [queue, blog, target('shop', 'production', 'api')])).path).toEqual([
      'example',
      'shop/production',
    ]);
  });
});

describe('what can be chosen', () => {
  test('an instance that does not run says why and stays', () => {
    const lines = linesAfter(all, down, '\r', down, '\r', down, '\r');
    expect(marked(lines)).toMatch(/^> 2 +100001-\d+ +stopped/);
    expect(lines.join('\n')).toContain('The instance shop-production--web--2 is stopped.');
    expect(linesAfter(all, down, '\r', down, '\r', down, '\r', up).join('\n')).not.toContain('is stopped.');
  });

  test('the cursor stops at both ends', () => {
    expect(marked(linesAfter(all, up))).toMatch(/blog/);
    expect(marked(linesAfter(all, down + down + down))).toMatch(/shop/);
  });
});

describe('typing', () => {
  test('filters by everything that lies behind an entry, in either case', () => {
    expect(marked(linesAfter(all, 'WEB'))).toMatch(/shop/);
    expect(linesAfter(all, 'web').join('\n')).not.toContain('blog');
    expect(marked(linesAfter(all, blog.id))).toMatch(/blog/);
    expect(linesAfter(all, 'zzz').join('\n')).toContain('Nothing here holds what you typed.');
    expect(opened(all, 'zzz', '\r').kind).toBe('stay');
  });

  test('q quits at every level, and is a letter once something was typed or after a slash', () => {
    expect(opened(all, 'q')).toEqual({ kind: 'quit' });
    expect(opened(all, down, '\r', 'q')).toEqual({ kind: 'quit' });
    expect(opened(all, 'x', '\x7f', 'q')).toEqual({ kind: 'quit' });
    expect(linesAfter(all, 'ueq').at(-1)).toBe('Filter: ueq');
    expect(marked(linesAfter(all, down, '\r', '/', 'qu'))).toMatch(/queue/);
    expect(opened(all, '/', escapeKey, 'q')).toEqual({ kind: 'quit' });
  });

  test('Ctrl-C and Ctrl-D quit, whatever was typed', () => {
    expect(opened(all, 'we', '\x03')).toEqual({ kind: 'quit' });
    expect(opened(all, '/', '\x04')).toEqual({ kind: 'quit' });
  });

  test('Esc clears what was typed before it goes back', () => {
    const lines = linesAfter(all, down, '\r', 'web', escapeKey);
    expect(lines[1]).toContain('choose: app');
    expect(lines.at(-1)).toBe('Filter:');
  });

  test('a pasted word and Enter in one read is a choice', () => {
    expect(opened(all, `${blog.name}\r`)).toEqual({ kind: 'chosen', target: blog });
  });

  test('what is no key leaves the menu as it is', () => {
    for (const keys of ['\x1b[200~', '\x00', '\u00e9', '\ufffd', '\x1b[1;5P', '\x07']) {
      expect(stateOf(opened(all, keys))).toEqual(stateOf(opened(all)));
    }
  });

  test('nobody types more than a line', () => {
    expect(stateOf(opened(all, 'x'.repeat(5_000))).filter).toHaveLength(64);
  });
});

describe('the screen', () => {
  const many = Array.from({ length: 40 }, (_, index) => target('shop', 'production', `app${10 + index}`));

  test('has at most as many lines and columns as the terminal, however small', () => {
    for (const rows of [1, 2, 5, 11, 12, 24, 60]) {
      for (const columns of [10, 20, 40, 80, 200]) {
        const state = stateOf(openMenu(many, pageOf({ rows, columns })));
        const screen = menuScreen(state, many, title, { rows, columns });
        const lines = screen.replace(/\x1b\[[0-9;]*[A-Za-z]/g, '').split('\r\n');
        expect(lines.length).toBeLessThanOrEqual(Math.max(rows, 3));
        for (const line of lines) expect(line.length).toBeLessThan(columns);
      }
    }
  });

  test('shows a page around the cursor and says which', () => {
    expect(linesAfter(many)[3]).toContain('(1-15 of 40)');
    const lines = linesAfter(many, '\x1b[6~', down);
    expect(lines[3]).toContain('(16-30 of 40)');
    expect(marked(lines)).toContain('app26');
    expect(marked(linesAfter(many, '\x1b[F'))).toContain('app49');
    expect(marked(linesAfter(many, '\x1b[F', '\x1b[H'))).toContain('app10');
  });

  test('cuts names that are too wide, so that one sees it, and keeps the id', () => {
    const wide = target('shop', 'production', `a${'b'.repeat(120)}`, { instance: `c${'d'.repeat(120)}` });
    const line = linesAfter([wide, queue, blog], down, '\r')[4] ?? '';
    expect(line.length).toBeLessThan(80);
    expect(line).toMatch(/^> ab+\.\.\. +100001-\d+ +running/);
  });

  test('prints nothing but ASCII and its own sequences, whatever a role or a state is called', () => {
    const evil = target('shop', 'production', 'evil', {
      role: '\x1b]0;title\x07\u202e\u00e9',
      state: '\x9b31m',
    });
    const screen = menuScreen(stateOf(openMenu([evil, queue], page)), [evil, queue], title, size);
    expect(screen.replace(/\x1b\[(H|K|J|7m|0m)|\r\n/g, '')).toMatch(/^[ -~]*$/);
  });
});

describe('a command names', () => {
  test.each([
    ['nothing', '', { kind: 'nothing' }],
    ['nothing with blanks', '  ', { kind: 'nothing' }],
    ['a target', `${web1.name} `, { kind: 'target', target: web1 }],
    ['a target by its alias', web2.id, { kind: 'target', target: web2 }],
    ['an app with one instance', 'shop-production--queue', { kind: 'target', target: queue }],
    [
      'an app with several',
      'shop-production--web',
      { kind: 'app', name: 'shop-production--web', instances: [web1, web2] },
    ],
    ['what there is not', 'shop-production--nothing', { kind: 'unknown' }],
    ['a shell', 'shop-production--web; id', { kind: 'unknown' }],
  ])('%s', (_, command, asked) => {
    expect(readAsked(command, all)).toEqual(asked);
  });
});
