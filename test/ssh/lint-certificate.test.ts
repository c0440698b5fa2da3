import { describe, expect, test } from 'vitest';
import { certificateTypeOf } from '../../src/ssh/certificate.ts';
import { encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import {
  lintHopCertificate,
  lintHostCertificate,
  lintUserCertificate,
} from '../../src/ssh/lint-certificate.ts';
import { ed25519RawKey, partsOf } from '../../src/ssh/public-key.ts';
import { codeOf, refusalOf } from './refusal.ts';
import {
  ca,
  hostFields,
  issue,
  now,
  packed,
  type RawFields,
  rawToBeSigned,
  userFields,
} from './sample-certificate.ts';
import { keysOfEveryType } from './sample-keys.ts';

const rules = { now, maxLifetime: 3600n, maxBackdate: 60n };
const flag = Buffer.alloc(0);

function lintUser(change: Partial<RawFields>): void {
  lintUserCertificate(rawToBeSigned(change), rules);
}

const rawHost = { kind: 2, principals: ['web.sallyport'], keyId: 'host/web' };

function lintHost(change: Partial<RawFields>): void {
  lintHostCertificate(rawToBeSigned({ ...rawHost, ...change }), rules);
}

const address = '192.0.2.7';
const rawHop = {
  principals: ['hop:web-1'],
  validBefore: now + 60n,
  criticalOptions: [['source-address', packed(address)]],
  extensions: [
    ['claims@ca.example.org', packed('{"v":1}')],
    ['permit-pty', flag],
  ],
} as const;

function lintHop(change: Partial<RawFields>, sourceAddress = address): void {
  lintHopCertificate(rawToBeSigned({ ...rawHop, ...change }), { ...rules, sourceAddress });
}

function lintHopOf(toBeSigned: Buffer, anyRules: typeof rules): void {
  lintHopCertificate(toBeSigned, { ...anyRules, sourceAddress: address });
}

const canary = { principals: ['canary:never'], keyId: 'canary/1', validAfter: 1n, validBefore: 2n };

describe('what may leave', () => {
  test.each([
    ['what the encoder makes', () => lintUserCertificate(encodeToBeSigned(userFields), rules)],
    ['a host certificate', () => lintHostCertificate(encodeToBeSigned(hostFields), rules)],
    ['the account alone', () => lintUser({ principals: ['alice@example.org'] })],
    [
      'roles',
      () =>
        lintUser({ principals: ['role:acme:shop:production:admin', 'mfa:role:acme:shop:production:admin'] }),
    ],
    ['one machine', () => lintUser({ principals: ['at:web-1'], validBefore: now + 300n })],
    ['an expired canary', () => lintUser(canary)],
    ['a source address', () => lintUser({ criticalOptions: [['source-address', packed('192.0.2.0/24')]] })],
    ['the MFA fact', () => lintUser({ extensions: [['mfa@ca.example.org', packed('{"v":1}')]] })],
    ['a start of now', () => lintUser({ validAfter: now })],
    ['a hop certificate', () => lintHop({})],
    ['a hop certificate without extensions', () => lintHop({ extensions: [] })],
  ])('%s', (_, attempt) => {
    expect(attempt).not.toThrow();
  });
});

test.each(keysOfEveryType().map((key) => [key.type, key] as const))(
  'certificates for a key of type %s may leave',
  (_, { blob }) => {
    for (const authority of keysOfEveryType()) {
      const keys = { publicKey: blob, caPublicKey: authority.blob };
      expect(() => lintUserCertificate(encodeToBeSigned({ ...userFields, ...keys }), rules)).not.toThrow();
      expect(() => lintHostCertificate(encodeToBeSigned({ ...hostFields, ...keys }), rules)).not.toThrow();
    }
  },
);

test('[abuse 33] verify-required may leave for security keys, without data, and for no other key', () => {
  for (const { type, blob } of keysOfEveryType()) {
    const lint = (data: Buffer) =>
      lintUser({
        type: certificateTypeOf(type),
        subjectParts: partsOf(blob),
        criticalOptions: [['verify-required', data]],
      });
    if (type.startsWith('sk-')) expect(() => lint(flag)).not.toThrow();
    else expect(codeOf(() => lint(flag))).toBe('certificate_refused');
    expect(codeOf(() => lint(packed('x')))).toBe('certificate_refused');
  }
});

const refusedForAll: readonly [tag: string, what: string, change: Partial<RawFields>][] = [
  ['[abuse 7] ', 'no principals', { principals: [] }],
  ['[abuse 8] ', 'an empty principal', { principals: [''] }],
  ['[abuse 2] ', 'a line end in a principal', { principals: ['alice@example.org\n'] }],
  ['[abuse 2] ', 'a carriage return in a principal', { principals: ['alice@example.org\r'] }],
  ['[abuse 2] ', 'a NUL in a principal', { principals: ['alice@example.org\0'] }],
  ['[abuse 2] ', 'a tab in a principal', { principals: ['alice@example.org\t'] }],
  ['[abuse 2] ', 'a space in a principal', { principals: ['alice@example.org root'] }],
  ['[abuse 3] ', 'a quote in a principal', { principals: ['"alice@example.org"'] }],
  ['[abuse 3] ', 'a backslash in a principal', { principals: ['alice@example.org\\'] }],
  ['[abuse 4] ', 'a star for a principal', { principals: ['*'] }],
  ['[abuse 4] ', 'a question mark in a principal', { principals: ['?lice@example.org'] }],
  ['[abuse 4] ', 'a negated principal', { principals: ['!alice@example.org'] }],
  ['[abuse 5] ', 'a leading hyphen in a principal', { principals: ['-alice@example.org'] }],
  ['[abuse 5] ', 'a leading dot in a principal', { principals: ['.alice@example.org'] }],
  ['[abuse 5] ', 'two dots in a principal', { principals: ['alice@example..org'] }],
  ['[abuse 5] ', 'a slash in a principal', { principals: ['alice@example.org/root'] }],
  ['[abuse 6] ', 'a Cyrillic letter in a principal', { principals: ['\u0430lice@example.org'] }],
  ['[abuse 6] ', 'a combining mark in a principal', { principals: ['alice\u0301@example.org'] }],
  [
    '[abuse 9] ',
    '33 principals',
    { principals: Array.from({ length: 33 }, (_, n) => `role:acme:shop:production:r${n}`) },
  ],
  [
    '[abuse 9] ',
    '257 principals',
    { principals: Array.from({ length: 257 }, (_, n) => `role:acme:shop:production:r${n}`) },
  ],
  ['[abuse 14] ', 'a line end in the key ID', { keyId: 'alice@example.org/1\n2' }],
  ['[abuse 15] ', 'a key ID of 129 characters', { keyId: 'a'.repeat(129) }],
  ['[abuse 16] ', 'a NUL in the key ID', { keyId: 'alice@example.org/1\0' }],
  ['[abuse 17] ', 'serial 0', { serial: 0n }],
  ['', 'a start in the future', { validAfter: now + 1n }],
  ['', 'a start too far back', { validAfter: now - 61n }],
  ['[abuse 21] ', 'an end of 2^64 - 1', { validBefore: 2n ** 64n - 1n }],
  ['[abuse 21] ', 'an end of 2^63 - 1', { validBefore: 2n ** 63n - 1n }],
  ['[abuse 21] ', 'one second too many', { validBefore: now + 3601n }],
  ['[abuse 22] ', 'an end at its start', { validAfter: now - 5n, validBefore: now - 5n }],
  ['[abuse 22] ', 'an end before its start', { validAfter: now - 5n, validBefore: now - 6n }],
  ['', 'an end in the past', { validBefore: now }],
  ['[abuse 25] ', 'an unknown critical option', { criticalOptions: [['unknown', flag]] }],
  ['[abuse 26] ', 'a forced command', { criticalOptions: [['force-command', packed('echo $(id)')]] }],
  [
    '[abuse 33] ',
    'verify-required on a key that is no security key',
    { criticalOptions: [['verify-required', flag]] },
  ],
  ['[abuse 34] ', 'an empty nonce', { nonce: Buffer.alloc(0) }],
  ['[abuse 34] ', 'a short nonce', { nonce: Buffer.alloc(31, 1) }],
  ['[abuse 34] ', 'content in the reserved field', { reserved: 'x' }],
  ['', 'another type', { type: 'ssh-unknown-cert-v01@openssh.com' }],
  ['', 'bytes after its end', { after: 'x' }],
  ['', 'the CA as its own subject', { subject: ed25519RawKey(ca.blob) }],
  ['', 'an unknown extension', { extensions: [['permit-everything', flag]] }],
];

describe.each([
  ['user', lintUser, lintUserCertificate, {}],
  ['host', lintHost, lintHostCertificate, rawHost],
  ['hop', lintHop, lintHopOf, rawHop],
] as const)('a %s certificate that may not leave', (_, lint, entry, shape) => {
  test.each(refusedForAll)('%sfor %s', (__, ___, change) => {
    expect(codeOf(() => lint(change))).toBe('certificate_refused');
  });

  test('[abuse 21] for an end of 2^63 - 1, however long the rules let it live', () => {
    const toBeSigned = rawToBeSigned({ ...shape, validBefore: 2n ** 63n - 1n });
    expect(codeOf(() => entry(toBeSigned, { ...rules, maxLifetime: 2n ** 64n }))).toBe('certificate_refused');
  });

  test('[abuse 9] for 33 principals, and says what to ask for instead', () => {
    const principals = Array.from({ length: 33 }, (_, n) => `role:acme:shop:production:r${n}`);
    expect(refusalOf(() => lint({ principals })).message).toMatch(
      /more than 32 principals.*fewer roles.*narrowed to one environment/,
    );
  });

  test('for a subject of low order', () => {
    expect(codeOf(() => lint({ subject: Buffer.alloc(32) }))).toBe('key_weak');
  });

  test('for a certificate as its CA', () => {
    expect(codeOf(() => lint({ ca: issue(userFields) }))).toBe('key_is_certificate');
  });
});

describe('a user certificate that may not leave', () => {
  const packedEntry = (list: string) => ({ criticalOptions: [['source-address', packed(list)]] as const });
  const cases: readonly [tag: string, what: string, change: Partial<RawFields>][] = [
    ['[abuse 1] ', 'a comma in a principal', { principals: ['alice@example.org,root'] }],
    ['[abuse 10] ', 'a repeated principal', { principals: ['alice@example.org', 'alice@example.org'] }],
    ['', "somebody else's account", { principals: ['bob@example.org'] }],
    ['', "somebody else's account with MFA", { principals: ['alice@example.org', 'mfa:bob@example.org'] }],
    ['', 'root', { principals: ['alice@example.org', 'root'] }],
    ['', 'a machine without a name', { principals: ['at:'], validBefore: now + 300n }],
    [
      '',
      'one machine and the account',
      { principals: ['alice@example.org', 'at:web-1'], validBefore: now + 300n },
    ],
    ['', 'two machines', { principals: ['at:web-1', 'at:web-2'], validBefore: now + 300n }],
    ['', 'one machine for six minutes', { principals: ['at:web-1'], validBefore: now + 360n }],
    ['', 'a role with a part missing', { principals: ['role:acme:shop:admin'] }],
    ['', 'MFA twice', { principals: ['mfa:mfa:alice@example.org'] }],
    ['', 'a canary beside an account', { principals: ['alice@example.org', 'canary:never'] }],
    ['[abuse 22] ', 'a canary that ends before it starts', { ...canary, validAfter: 3n }],
    [
      '',
      'a role without an account in the key ID',
      { keyId: 'alice', principals: ['role:acme:shop:production:admin'] },
    ],
    ['', 'a canary that is still valid', { ...canary, validBefore: now + 1n }],
    ['[abuse 14] ', 'a key ID without a session', { keyId: 'alice@example.org' }],
    ['[abuse 14] ', 'a key ID of two slashes', { keyId: 'alice@example.org/1/2' }],
    ['', 'the kind of a host', { kind: 2 }],
    ['', 'no kind', { kind: 0 }],
    [
      '[abuse 27] ',
      'source-address given twice',
      {
        criticalOptions: [
          ['source-address', packed('192.0.2.1')],
          ['source-address', packed('192.0.2.2')],
        ],
      },
    ],
    ['[abuse 28] ', 'host bits in source-address', packedEntry('192.0.2.1/24')],
    ['[abuse 28] ', 'an empty source-address', { criticalOptions: [['source-address', flag]] }],
    [
      '[abuse 28] ',
      'bytes after source-address',
      {
        criticalOptions: [['source-address', Buffer.concat([packed('192.0.2.1'), Buffer.alloc(1)])]],
      },
    ],
    ['[abuse 29] ', 'a source-address of everywhere', packedEntry('0.0.0.0/0')],
    ['[abuse 30] ', 'IPv4 inside IPv6 in source-address', packedEntry('::ffff:192.0.2.1')],
    [
      '[abuse 31] ',
      'extensions out of order',
      {
        extensions: [
          ['permit-user-rc', flag],
          ['permit-pty', flag],
        ],
      },
    ],
    [
      '[abuse 31] ',
      'an extension twice',
      {
        extensions: [
          ['permit-pty', flag],
          ['permit-pty', flag],
        ],
      },
    ],
    ['', 'a flag with data', { extensions: [['permit-pty', packed('x')]] }],
    ['', 'a fact without content', { extensions: [['mfa@ca.example.org', flag]] }],
    ['', 'a fact with control characters', { extensions: [['mfa@ca.example.org', packed('{\n}')]] }],
    ['', 'a fact of no domain', { extensions: [['mfa@', packed('{}')]] }],
  ];
  test.each(cases)('%sfor %s', (_, __, change) => {
    expect(codeOf(() => lintUser(change))).toBe('certificate_refused');
  });

  test('for a cut at any byte', () => {
    const toBeSigned = encodeToBeSigned(userFields);
    for (let length = 0; length < toBeSigned.length; length++) {
      expect(codeOf(() => lintUserCertificate(toBeSigned.subarray(0, length), rules))).toMatch(
        /certificate_refused|key_malformed/,
      );
    }
  });
});

describe('a host certificate that may not leave', () => {
  const cases: readonly [what: string, change: Partial<RawFields>][] = [
    ['the kind of a user', { kind: 1 }],
    ['the principal of a person', { principals: ['alice@example.org'] }],
    ['a wildcard', { principals: ['*.sallyport'] }],
    ['a canary', canary],
    ['an extension', { extensions: [['permit-pty', flag]] }],
    ['a source address', { criticalOptions: [['source-address', packed('192.0.2.0/24')]] }],
  ];
  test.each(cases)('for %s', (_, change) => {
    expect(codeOf(() => lintHost(change))).toBe('certificate_refused');
  });
});

describe('a hop certificate that may not leave', () => {
  const from = (list: string) => ({ criticalOptions: [['source-address', packed(list)]] as const });
  const cases: readonly [what: string, change: Partial<RawFields>][] = [
    ['a minute and a second', { validBefore: now + 61n }],
    ['an end in the past', { validAfter: now - 10n, validBefore: now }],
    ['the kind of a host', { kind: 2 }],
    ['a key ID without a session', { keyId: 'alice@example.org' }],
    ['the account as its principal', { principals: ['alice@example.org'] }],
    ['an account beside the host', { principals: ['hop:web-1', 'alice@example.org'] }],
    ['two hosts', { principals: ['hop:web-1', 'hop:web-2'] }],
    ['MFA', { principals: ['mfa:hop:web-1'] }],
    ['no host', { principals: ['hop:'] }],
    ['a host with a dot', { principals: ['hop:web.example.org'] }],
    ['a host in upper case', { principals: ['hop:WEB'] }],
    ['a canary', canary],
    ['no source address', { criticalOptions: [] }],
    ['another source address', from('192.0.2.8')],
    ['two source addresses', from('192.0.2.7,192.0.2.8')],
    ['a network', from('192.0.2.7/32')],
    [
      'a second critical option',
      {
        criticalOptions: [
          ['force-command', packed('true')],
          ['source-address', packed(address)],
        ],
      },
    ],
    ['forwarding that was not decided', { extensions: [['permit-port-forwarding', flag]] }],
    ['an agent that was not decided', { extensions: [['permit-agent-forwarding', flag]] }],
    ['a permission that no second leg ever has', { extensions: [['permit-user-rc', flag]] }],
    ['the MFA fact', { extensions: [['mfa@ca.example.org', packed('{"v":1}')]] }],
  ];
  test.each(cases)('for %s', (_, change) => {
    expect(() => lintHop({})).not.toThrow();
    expect(codeOf(() => lintHop(change))).toBe('certificate_refused');
  });

  test('for a permission that the decision names and no second leg ever has, unlike one that it may', () => {
    const lint = (name: string) => {
      const toBeSigned = rawToBeSigned({ ...rawHop, extensions: [[name, flag]] });
      lintHopCertificate(toBeSigned, { ...rules, sourceAddress: address, permissions: [name] });
    };
    expect(codeOf(() => lint('permit-X11-forwarding'))).toBe('certificate_refused');
    expect(() => lint('permit-port-forwarding')).not.toThrow();
    expect(() => lint('permit-agent-forwarding')).not.toThrow();
  });

  test('for a life that the rules allow and a hop does not', () => {
    const toBeSigned = rawToBeSigned({ ...rawHop, validBefore: now + 61n });
    const lax = { ...rules, maxLifetime: 3600n, sourceAddress: address };
    expect(codeOf(() => lintHopCertificate(toBeSigned, lax))).toBe('certificate_refused');
  });

  test.each(['192.0.2.0/24', '192.0.2.7,192.0.2.8', '', '::ffff:192.0.2.7'])(
    'for the source address %j, even if that is what the gateway is said to have',
    (list) => {
      expect(codeOf(() => lintHop({ ...from(list) }, list))).toBe('certificate_refused');
    },
  );
});
