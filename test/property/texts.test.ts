import fc from 'fast-check';
import { expect, test } from 'vitest';
import { certAuthorityLine } from '../../src/ssh/known-hosts.ts';
import {
  isAccountName,
  isHostName,
  isKeyId,
  isPrincipal,
  isRolePrincipal,
  isSlug,
  isTargetName,
  keyIdFor,
  parseKeyId,
} from '../../src/ssh/names.ts';
import { armor, unarmor } from '../../src/ssh/pem.ts';
import { isReadableAddressList, parseSourceAddresses } from '../../src/ssh/source-address.ts';
import { refusalOf } from '../ssh/refusal.ts';
import { ca } from '../ssh/sample-certificate.ts';
import { accountName, bytes, hostName, sessionId, sourceAddresses } from './arbitraries.ts';
import { holds } from './holds.ts';

/** Whatever people type, and what they type by mistake into something that was right. */
const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.string());
const spoiled = (right: fc.Arbitrary<string>, letters: fc.Arbitrary<string>) =>
  fc.tuple(right, fc.nat(), letters).map(([text, place, letter]) => {
    const index = place % (text.length + 1);
    return text.slice(0, index) + letter + text.slice(index);
  });
/** Characters that mean something to a shell, to sshd's files, to a log or to a terminal. */
const dangerous = fc.constantFrom(...' \t\r\n\0\u001b\u007f\u202e"\'\\,*?!/$`|&;<>(){}[]%=ÄéA', '\u{1f600}');

test('every key ID comes back as the account and the session it was made of', async () => {
  await holds(300, [accountName, sessionId], (account, id) => {
    const keyId = keyIdFor(account, id);
    expect(parseKeyId(keyId)).toEqual({ account, sessionId: id });
    expect(isKeyId(keyId) && isAccountName(account) && isPrincipal(account)).toBe(true);
  });
});

test('a key ID that is refused says what one must be', async () => {
  const keyId = fc.tuple(accountName, sessionId).map((parts) => parts.join('/'));
  await holds(500, [fc.oneof(anyText, spoiled(keyId, dangerous))], (text) => {
    if (isWellFormed(text)) return expect(keyIdFor(...pair(parseKeyId(text)))).toBe(text);
    const { code, message } = refusalOf(() => parseKeyId(text));
    expect([code, message]).toEqual([
      'name_refused',
      expect.stringContaining('must be <account>/<session id>'),
    ]);
  });
});

/** Written from DESIGN's grammar of names, not from the code. */
function isWellFormed(text: string): boolean {
  const [account = '', session = '', ...more] = text.split('/');
  const [local = '', domain = '', ...others] = account.split('@');
  const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
  const labels = domain.split('.');
  return (
    text.length <= 128 &&
    account.length <= 91 &&
    more.length + others.length === 0 &&
    /^[a-z0-9_][a-z0-9._+-]*$/.test(local) &&
    !local.includes('..') &&
    labels.length > 1 &&
    labels.every((one) => label.test(one)) &&
    /^[a-z0-9][a-z0-9_-]*$/.test(session)
  );
}

function pair({ account, sessionId: id }: { account: string; sessionId: string }): [string, string] {
  return [account, id];
}

test('no name of any kind holds a character that means something to a shell, a log or a list', async () => {
  const grammars = [isPrincipal, isAccountName, isHostName, isSlug, isTargetName, isRolePrincipal];
  const right = fc.oneof(
    accountName,
    hostName,
    fc.constant('shop-production--web'),
    fc.constant('role:a:b:c:d'),
  );
  await holds(500, [spoiled(right, dangerous)], (text) => {
    expect(grammars.filter((isOne) => isOne(text)).map(({ name }) => name)).toEqual([]);
  });
});

test('no name is accepted that is not plain ASCII in lower case, short, and without dots in a row', async () => {
  const grammars = [isPrincipal, isAccountName, isHostName, isSlug, isTargetName, isRolePrincipal];
  await holds(1000, [anyText], (text) => {
    for (const isOne of grammars) {
      if (isOne(text)) expect(/^(?!.*\.\.)[a-z0-9_][a-z0-9._@:+-]{0,127}$/.test(text)).toBe(true);
    }
  });
});

test('every list of networks comes back as its entries, and sshd could read it', async () => {
  await holds(500, [sourceAddresses], (list) => {
    expect(parseSourceAddresses(list).join(',')).toBe(list);
    expect(isReadableAddressList(list)).toBe(true);
  });
});

test('a list of networks with anything else in it is refused with its reason', async () => {
  const letters = fc.oneof(dangerous, fc.constantFrom(...'gxyz.:-'));
  await holds(500, [spoiled(sourceAddresses, letters)], (list) => {
    // One colon more can make another address of IPv6.
    if (isStillAList(list)) return;
    const { code, message } = refusalOf(() => parseSourceAddresses(list));
    expect([code, message]).toEqual([
      'certificate_refused',
      expect.stringMatching(/^The source-address list .+\.$/),
    ]);
  });
});

function isStillAList(list: string): boolean {
  return /^[0-9a-f.:/,]+$/.test(list) && list.includes('::');
}

test('every armored block holds the bytes it was made of', async () => {
  await holds(300, [bytes(0, 300)], (content) => {
    expect(unarmor('SSH SIGNATURE', armor('SSH SIGNATURE', content))?.equals(content)).toBe(true);
    expect(unarmor('OTHER', armor('SSH SIGNATURE', content))).toBe(undefined);
  });
});

test('a line for known_hosts has four words and trusts the CA for nothing but host names', async () => {
  const key = { type: 'ssh-ed25519', blob: ca.blob };
  const pattern = fc.oneof(
    hostName,
    hostName.map((name) => `*.${name}`),
    hostName.map((name) => `[${name}]:2222`),
  );
  await holds(300, [fc.array(pattern, { minLength: 1, maxLength: 4 })], (patterns) => {
    const [mark, names, type, blob, ...rest] = certAuthorityLine(patterns, key, '').split(' ');
    expect([mark, names, type, blob, rest]).toEqual([
      '@cert-authority',
      patterns.join(','),
      'ssh-ed25519',
      ca.blob.toString('base64'),
      [],
    ]);
  });
  await holds(300, [fc.oneof(anyText, spoiled(hostName, dangerous))], (text) => {
    if (/^(\*\.)?[a-z0-9.-]+$/.test(text)) return;
    expect(refusalOf(() => certAuthorityLine([text], key, '')).code).toBe('name_refused');
  });
});
