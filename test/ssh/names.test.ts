import { describe, expect, test } from 'vitest';
import {
  hopPrincipal,
  isAccountName,
  isHopPrincipal,
  isHostName,
  isKeyId,
  isPrincipal,
  isRolePrincipal,
  isSlug,
  isTargetName,
  keyIdFor,
  parseKeyId,
} from '../../src/ssh/names.ts';
import { codeOf } from './refusal.ts';

const everyGrammar = {
  isAccountName,
  isHostName,
  isKeyId,
  isPrincipal,
  isRolePrincipal,
  isSlug,
  isTargetName,
};

const grammars: readonly [is: (text: string) => boolean, good: readonly string[], bad: readonly string[]][] =
  [
    [
      isPrincipal,
      [
        'alice@example.org',
        'mfa:alice@example.org',
        'role:acme:shop:production:admin',
        '_a',
        'a'.repeat(128),
      ],
      ['-a', '.a', 'a..b', 'a/b', '@a', ':a', '+a', 'a'.repeat(129)],
    ],
    [
      isAccountName,
      ['alice@example.org', 'a.b+c_d-e@sub.example.org', '1@2.3', `${'a'.repeat(79)}@example.org`],
      [
        'alice',
        'alice@localhost',
        'a@b@example.org',
        '-a@example.org',
        '.a@example.org',
        'a..b@example.org',
        'mfa:a@example.org',
        'a@-example.org',
        'a@example-.org',
        'a@example..org',
        'a@example.org.',
        '@example.org',
        'a@',
        `${'a'.repeat(80)}@example.org`,
      ],
    ],
    [isHostName, ['web', '127.0.0.1', 'a-b.c'], ['*.a', 'a.', '.a', 'a..b', '-a', 'a-', 'a_b', 'a:1']],
    [isKeyId, ['alice@example.org/01ab', 'a'.repeat(128)], ['a b', 'a'.repeat(129), 'a:b']],
    [
      isRolePrincipal,
      ['role:acme:shop:production:admin'],
      ['role:acme:shop:admin', 'role:a:b:c:d:e', 'role:a:b::d'],
    ],
    [isSlug, ['shop', 'a', '1-2-3', 'a'.repeat(40)], ['a--b', '-a', 'a-', 'a'.repeat(41), 'a.b']],
    [
      isTargetName,
      ['shop-production--web', 'shop-production--web--2', 'a-b--c', `a-b--${'c'.repeat(58)}`],
      [
        'shop--web',
        'shop-production',
        '1-b--c',
        'a-b--c--d--e',
        'a-b---c',
        'a-b--',
        `a-b--${'c'.repeat(59)}`,
      ],
    ],
  ];

describe.each(grammars.map(([is, good, bad]) => ({ name: is.name, is, good, bad })))(
  '$name',
  ({ is, good, bad }) => {
    test.each(good)('takes %s', (text) => expect(is(text)).toBe(true));
    test.each(bad)('refuses %s', (text) => expect(is(text)).toBe(false));
  },
);

describe.each(Object.entries(everyGrammar))('%s', (_, is) => {
  const hostile: readonly [what: string, text: string][] = [
    ['nothing', ''],
    ['a comma', 'alice@example.org,root'],
    ['a line end', 'alice@example.org\n'],
    ['a carriage return', 'alice@example.org\r'],
    ['a NUL', 'alice@example.org\0'],
    ['a tab', 'alice\t@example.org'],
    ['a space', 'alice @example.org'],
    ['a quote', "alice'@example.org"],
    ['a double quote', 'alice"@example.org'],
    ['a backslash', 'alice\\@example.org'],
    ['a star', '*'],
    ['a question mark', 'alic?@example.org'],
    ['an exclamation mark', '!alice@example.org'],
    ['upper case', 'Alice@example.org'],
    ['a confusable letter', 'аlice@example.org'],
    ['a combining mark', 'alice\u0301@example.org'],
    ['a full-width letter', 'ａlice@example.org'],
    ['an escape sequence', '\u001b[31malice@example.org'],
  ];
  test.each(hostile)('refuses %s', (__, text) => expect(is(text)).toBe(false));
});

describe('a key ID', () => {
  test('is put together and taken apart', () => {
    const keyId = keyIdFor('alice@example.org', '01ab-cd');
    expect(keyId).toBe('alice@example.org/01ab-cd');
    expect(parseKeyId(keyId)).toEqual({ account: 'alice@example.org', sessionId: '01ab-cd' });
  });

  test('[abuse 15] has room for the longest account name with a session id', () => {
    const account = `${'a'.repeat(79)}@example.org`;
    expect(isAccountName(account)).toBe(true);
    expect(keyIdFor(account, '00000000-0000-4000-8000-000000000000')).toHaveLength(128);
  });

  test.each([
    ['an account that is none', 'root', '01ab'],
    ['an empty session id', 'alice@example.org', ''],
    ['a slash in the session id', 'alice@example.org', 'a/b'],
    ['more than 128 characters together', `${'a'.repeat(79)}@example.org`, 'b'.repeat(37)],
  ])('is refused for %s', (_, account, sessionId) => {
    expect(codeOf(() => keyIdFor(account, sessionId))).toBe('name_refused');
  });
});

test('a hop principal is that of one host', () => {
  expect(hopPrincipal('web-1')).toBe('hop:web-1');
  expect(isHopPrincipal('hop:web-1')).toBe(true);
  for (const text of [
    'hop:',
    'hop:web.1',
    'hop:Web',
    'hop:web:1',
    'hop:hop:web',
    'web-1',
    `hop:${'a'.repeat(41)}`,
  ]) {
    expect(isHopPrincipal(text)).toBe(false);
  }
  expect(codeOf(() => hopPrincipal('web,root'))).toBe('name_refused');
});
