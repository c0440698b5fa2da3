import { expect, test } from 'vitest';
import type { Anchor } from '../../../src/cli/profiles/profile-settings.ts';
import { decideAnchor } from '../../../src/cli/tls/decide-anchor.ts';

const publicOne: Anchor = { spki: 'one', name: 'Public one', is_public: true };
const publicTwo: Anchor = { spki: 'two', name: 'Public two', is_public: true };
const privateOne: Anchor = { spki: 'three', name: 'Private one', is_public: false };
const privateTwo: Anchor = { spki: 'four', name: 'Private two', is_public: false };

test.each([
  [
    'a public authority is remembered without a word',
    undefined,
    publicOne,
    { kind: 'remember', isNews: false },
  ],
  ['a private one is named to the person', undefined, privateOne, { kind: 'remember', isNews: true }],
  ['the same one is the same', privateOne, privateOne, { kind: 'same' }],
  ['from one public authority to another', publicOne, publicTwo, { kind: 'remember', isNews: false }],
  ['from a private authority to a public one', privateOne, publicOne, { kind: 'remember', isNews: true }],
  ['from a public authority to a private one', publicOne, privateOne, { kind: 'refuse' }],
  ['from a private authority to another', privateOne, privateTwo, { kind: 'refuse' }],
] as const)('%s', (_name, before, seen, decision) => {
  expect(decideAnchor(before, seen)).toEqual(decision);
});
