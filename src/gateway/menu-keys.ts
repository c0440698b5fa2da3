/** Keys as a terminal in raw mode sends them (ECMA-48, as xterm and its kin do), pure. */

export type Press =
  | 'up'
  | 'down'
  | 'left'
  | 'right'
  | 'pageUp'
  | 'pageDown'
  | 'first'
  | 'last'
  | 'enter'
  | 'erase'
  | 'clear'
  | 'escape'
  | 'interrupt';

export type MenuKey = { readonly kind: Press } | { readonly kind: 'character'; readonly character: string };

const sequences: Readonly<Record<string, Press>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  H: 'first',
  F: 'last',
  '1~': 'first',
  '4~': 'last',
  '5~': 'pageUp',
  '6~': 'pageDown',
  '7~': 'first',
  '8~': 'last',
};

const controls: Readonly<Record<string, Press>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\b': 'erase',
  '\x7f': 'erase',
  '\x03': 'interrupt',
  '\x04': 'interrupt',
  '\x0e': 'down',
  '\x10': 'up',
  '\x15': 'clear',
  '\x1b': 'escape',
};

const oneKey = /\x1b[[O]([0-9;]*[A-Za-z~])|[\s\S]/g;

/** What is no key of the menu is left out. An escape that begins nothing is the key Esc. */
export function menuKeys(typed: string): MenuKey[] {
  return [...typed.matchAll(oneKey)].flatMap(([text, sequence]): MenuKey[] => {
    const kind = sequence === undefined ? controls[text] : sequences[sequence];
    if (kind !== undefined) return [{ kind }];
    return sequence === undefined && /^[ -~]$/.test(text) ? [{ kind: 'character', character: text }] : [];
  });
}
