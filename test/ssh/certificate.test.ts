import { sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type CertificateFields, certificateTypeOf } from '../../src/ssh/certificate.ts';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { parseCertificate, parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { encodeSignature, signatureAlgorithmInside } from '../../src/ssh/signature.ts';
import { verifyCertificate, verifyCertificateBy } from '../../src/ssh/verify-certificate.ts';
import { WireWriter } from '../../src/ssh/wire.ts';
import { codeOf, refusalOf } from './refusal.ts';
import {
  ca,
  hostFields,
  issue,
  keyFromByte,
  packed,
  rawCertificate,
  subject,
  userFields,
} from './sample-certificate.ts';
import { keysOfEveryType, type TypedKey } from './sample-keys.ts';

const keys = keysOfEveryType();
const authorities = keysOfEveryType();
const flag = Buffer.alloc(0);

function keyOf(type: string): TypedKey {
  const key = keys.find((one) => one.type === type);
  if (key === undefined) throw new Error(`there is no ${type} key`);
  return key;
}

/** Of the right form, over nothing. */
const anySignature = encodeSignature('ssh-ed25519', Buffer.alloc(64));

function encoded(change: Partial<CertificateFields>): Buffer {
  return encodeToBeSigned({ ...userFields, ...change });
}

function principalsOf(toBeSigned: Buffer): readonly string[] {
  return parseCertificate(assembleCertificate(toBeSigned, anySignature)).principals;
}

describe('encoding', () => {
  test('[abuse 35] gives what the parser reads, byte for byte', () => {
    for (const fields of [userFields, hostFields]) {
      const certificate = parseCertificate(issue(fields));
      expect(certificate).toMatchObject(fields);
      expect(encodeToBeSigned(certificate).equals(certificate.toBeSigned)).toBe(true);
      expect(assembleCertificate(certificate.toBeSigned, certificate.signature).equals(issue(fields))).toBe(
        true,
      );
    }
  });

  test.each(keys.map((key) => [key.type, key] as const))(
    '[abuse 35] gives what the parser reads for a key of type %s by a CA of every type',
    (type, { blob }) => {
      for (const authority of authorities) {
        const algorithms =
          authority.type === 'ssh-rsa' ? (['rsa-sha2-256', 'rsa-sha2-512'] as const) : [undefined];
        for (const fields of [userFields, hostFields]) {
          const wanted = { ...fields, publicKey: blob, caPublicKey: authority.blob };
          const toBeSigned = encodeToBeSigned(wanted);
          for (const algorithm of algorithms) {
            const signature = authority.sign(toBeSigned, algorithm);
            const certificate = parseCertificate(assembleCertificate(toBeSigned, signature));
            expect(certificate).toEqual({
              ...certificate,
              ...wanted,
              type: certificateTypeOf(type),
              signature,
            });
            expect(encodeToBeSigned(certificate).equals(toBeSigned)).toBe(true);
            expect(() => verifyCertificateBy(certificate, [authority.blob])).not.toThrow();
          }
        }
      }
    },
  );

  const hostilePrincipals: readonly [tag: string, what: string, principal: string][] = [
    ['[abuse 1]', 'a comma', 'alice@example.org,root'],
    ['[abuse 2]', 'a line end', 'alice\n'],
    ['[abuse 2]', 'a carriage return', 'alice\r'],
    ['[abuse 2]', 'a NUL', 'alice\0'],
    ['[abuse 2]', 'a tab', 'al\tice'],
    ['[abuse 2]', 'a space', 'al ice'],
    ['[abuse 3]', 'a quote', "al'ice"],
    ['[abuse 3]', 'a double quote', 'al"ice'],
    ['[abuse 3]', 'a backslash', 'al\\ice'],
    ['[abuse 4]', 'a star', 'al*'],
    ['[abuse 4]', 'a question mark', 'alic?'],
    ['[abuse 4]', 'a leading exclamation mark', '!alice'],
    ['[abuse 5]', 'a leading hyphen', '-alice'],
    ['[abuse 5]', 'a leading dot', '.alice'],
    ['[abuse 5]', 'two dots', 'alice..bob'],
    ['[abuse 5]', 'a slash', 'alice/bob'],
    ['[abuse 6]', 'a Cyrillic letter', 'аlice'],
    ['[abuse 6]', 'a combining mark', 'alice\u0301'],
    ['[abuse 6]', 'an umlaut', 'müller'],
    ['[abuse 6]', 'mixed scripts', 'aliсe@example.org'],
    ['[abuse 8]', 'nothing', ''],
  ];
  test.each(hostilePrincipals)('%s a principal with %s is refused with status 422', (_, __, principal) => {
    for (const principals of [[principal], ['alice@example.org', principal]]) {
      const refusal = refusalOf(() => encoded({ principals }));
      expect([refusal.code, refusal.status]).toEqual(['certificate_refused', 422]);
    }
  });

  test('a principal in upper case is refused: names are lower case before they come here', () => {
    expect(codeOf(() => encoded({ principals: ['Alice@example.org'] }))).toBe('certificate_refused');
  });

  test('[abuse 7] the encoder refuses an empty list of principals', () => {
    expect(codeOf(() => encoded({ principals: [] }))).toBe('certificate_refused');
  });

  test('[abuse 9] 257 principals are refused, never cut to the 256 that OpenSSH reads', () => {
    const names = Array.from({ length: 257 }, (_, number) => `role:acme:shop:production:r${number}`);
    expect(codeOf(() => encoded({ principals: names }))).toBe('certificate_refused');
    expect(principalsOf(encoded({ principals: names.slice(1) }))).toEqual(names.slice(1));
  });

  test('[abuse 10] repeated principals collapse and keep their order', () => {
    expect(principalsOf(encoded({ principals: ['b@x.y', 'a@x.y', 'b@x.y'] }))).toEqual(['b@x.y', 'a@x.y']);
  });

  test.each([
    ['[abuse 14]', 'a line end', 'alice@example.org/1\nAccepted publickey for root'],
    ['[abuse 14]', 'an escape sequence', 'alice@example.org/\u001b[31m1'],
    ['[abuse 14]', 'a space', 'alice@example.org/1 2'],
    ['[abuse 15]', '129 characters', 'a'.repeat(129)],
    ['[abuse 15]', '60,000 characters', 'a'.repeat(60_000)],
    ['[abuse 16]', 'a NUL', 'alice@example.org/1\0'],
    ['[abuse 14]', 'nothing', ''],
  ])('%s a key ID with %s is refused', (_, __, keyId) => {
    expect(codeOf(() => encoded({ keyId }))).toBe('certificate_refused');
  });

  test('[abuse 17] serial 0 is refused', () => {
    expect(codeOf(() => encoded({ serial: 0n }))).toBe('certificate_refused');
  });

  test('[abuse 19] serials beyond 2^53 keep every digit, up to 2^64 - 1', () => {
    for (const serial of [2n ** 53n + 1n, 2n ** 64n - 1n]) {
      expect(parseCertificate(issue({ ...userFields, serial })).serial).toBe(serial);
    }
    expect(codeOf(() => encoded({ serial: 2n ** 64n }))).toBe('certificate_refused');
    expect(codeOf(() => encoded({ serial: -1n }))).toBe('certificate_refused');
  });

  test('[abuse 21] the encoder refuses "forever" in every spelling', () => {
    for (const validBefore of [2n ** 64n - 1n, 2n ** 63n - 1n, 2n ** 63n]) {
      expect(codeOf(() => encoded({ validBefore }))).toBe('certificate_refused');
    }
  });

  test('[abuse 22] the encoder refuses a validity that ends where it starts, or before', () => {
    const { validAfter } = userFields;
    expect(codeOf(() => encoded({ validBefore: validAfter }))).toBe('certificate_refused');
    expect(codeOf(() => encoded({ validBefore: validAfter - 1n }))).toBe('certificate_refused');
  });

  test('a time before 1970 is refused', () => {
    expect(codeOf(() => encoded({ validAfter: -1n }))).toBe('certificate_refused');
  });

  test('[abuse 31] options are sorted by their bytes, whatever order they come in', () => {
    const names = ['permit-pty', 'a', 'permit-X11-forwarding', 'permit-agent-forwarding'];
    const extensions = names.map((name) => ({ name, value: '' }));
    const toBeSigned = encoded({ extensions, criticalOptions: extensions });
    const certificate = parseCertificate(assembleCertificate(toBeSigned, anySignature));
    const sorted = ['a', 'permit-X11-forwarding', 'permit-agent-forwarding', 'permit-pty'];
    expect(certificate.extensions.map(({ name }) => name)).toEqual(sorted);
    expect(certificate.criticalOptions.map(({ name }) => name)).toEqual(sorted);
  });

  test.each([
    [
      'twice',
      [
        { name: 'a', value: '' },
        { name: 'a', value: 'x' },
      ],
    ],
    ['without a name', [{ name: '', value: '' }]],
    ['with a line end in its value', [{ name: 'a', value: 'x\ny' }]],
    ['with a space in its name', [{ name: 'a b', value: '' }]],
  ])('an option %s is refused', (_, options) => {
    expect(codeOf(() => encoded({ extensions: options }))).toBe('certificate_refused');
    expect(codeOf(() => encoded({ criticalOptions: options }))).toBe('certificate_refused');
  });

  test('what an option of any name may hold comes back as it was', () => {
    const extensions = [
      { name: 'a@example.org', value: 'text' },
      { name: 'b@example.org', value: '' },
      { name: 'c@example.org', data: Buffer.from([0, 0, 0, 9, 1]) },
      { name: 'd@example.org', data: packed('') },
      { name: 'e@example.org', data: packed('two\nlines') },
      { name: 'f@example.org', data: Buffer.from([0, 0, 0, 1, 0xff]) },
      { name: 'no-touch-required', value: '' },
    ];
    const criticalOptions = [
      { name: 'force-command', value: '/usr/bin/true "$SSH_ORIGINAL_COMMAND"' },
      { name: 'source-address', value: '192.0.2.1' },
      { name: 'unknown@example.org', data: Buffer.from([1]) },
    ];
    const certificate = parseCertificate(issue({ ...userFields, extensions, criticalOptions }));
    expect(certificate.extensions).toEqual(extensions);
    expect(certificate.criticalOptions).toEqual(criticalOptions);
    expect(encodeToBeSigned(certificate).equals(certificate.toBeSigned)).toBe(true);
  });

  test.each([
    ['data that is a flag', { name: 'a@example.org', data: flag }],
    ['data that is a text', { name: 'a@example.org', data: packed('text') }],
    ['data in an option that OpenSSH knows', { name: 'permit-pty', data: Buffer.from([1]) }],
    ['a flag with a value', { name: 'permit-pty', value: 'yes' }],
  ])('an extension with %s is refused', (_, option) => {
    expect(codeOf(() => encoded({ extensions: [option] }))).toBe('certificate_refused');
  });

  test.each([
    ['a source address with host bits', { name: 'source-address', value: '192.0.2.1/24' }],
    ['an empty source address', { name: 'source-address', value: '' }],
    ['an empty command', { name: 'force-command', value: '' }],
    ['a command of two lines', { name: 'force-command', data: packed('true\nfalse') }],
  ])('%s is refused', (_, option) => {
    expect(codeOf(() => encoded({ criticalOptions: [option] }))).toBe('certificate_refused');
  });

  test('[abuse 33] the encoder refuses verify-required but for security keys', () => {
    const criticalOptions = [{ name: 'verify-required', value: '' }];
    for (const { type, blob } of keys) {
      const attempt = () => encoded({ criticalOptions, publicKey: blob });
      if (type.startsWith('sk-')) expect(attempt).not.toThrow();
      else expect(codeOf(attempt)).toBe('certificate_refused');
    }
    expect(
      codeOf(() =>
        encoded({
          criticalOptions: [{ name: 'verify-required', value: 'yes' }],
          publicKey: keyOf('sk-ssh-ed25519@openssh.com').blob,
        }),
      ),
    ).toBe('certificate_refused');
  });

  test('a certificate is neither a subject nor a CA', () => {
    const certificate = issue(userFields);
    expect(codeOf(() => encoded({ publicKey: certificate }))).toBe('key_is_certificate');
    expect(codeOf(() => encoded({ caPublicKey: certificate }))).toBe('key_is_certificate');
  });

  test('[abuse 34] the encoder refuses a nonce that is not 32 bytes', () => {
    for (const length of [0, 31, 33]) {
      expect(codeOf(() => encoded({ nonce: Buffer.alloc(length) }))).toBe('certificate_refused');
    }
  });

  test('a signature of another length is refused', () => {
    const short = new WireWriter().string('ssh-ed25519').string(Buffer.alloc(63)).bytes();
    for (const signature of [Buffer.alloc(0), Buffer.alloc(64), short]) {
      expect(codeOf(() => assembleCertificate(encoded({}), signature))).toBe('signature_invalid');
    }
  });
});

describe('parsing', () => {
  test('reads the line of a -cert.pub file', () => {
    const line = certificateLine(issue(userFields), 'alice@laptop');
    expect(parseCertificateLine(`${line}\n`).serial).toBe(42n);
  });

  test.each([
    ['two lines', (line: string) => `${line}\n${line}`],
    ['another type', (line: string) => line.replace('ssh-ed25519', 'ssh-rsa')],
    ['options', (line: string) => `cert-authority ${line}`],
    ['more padding', (line: string) => line.replace(/=*$/, '====')],
    ['nothing', () => ''],
  ])('refuses a line with %s', (_, change) => {
    expect(codeOf(() => parseCertificateLine(change(certificateLine(issue(userFields)))))).toBe(
      'certificate_malformed',
    );
  });

  test('refuses every cut and every extra byte', () => {
    const blob = issue(userFields);
    for (let length = 0; length < blob.length; length++) {
      expect(codeOf(() => parseCertificate(blob.subarray(0, length)))).toBe('certificate_malformed');
    }
    expect(codeOf(() => parseCertificate(Buffer.concat([blob, Buffer.alloc(1)])))).toBe(
      'certificate_malformed',
    );
  });

  test.each([
    ['a certificate type nobody knows', { type: 'ssh-unknown-cert-v01@openssh.com' }, 'key_type_refused'],
    ['the type of another key', { type: 'ssh-rsa-cert-v01@openssh.com' }, 'key_malformed'],
    ['a plain key', { type: 'ssh-ed25519' }, 'certificate_malformed'],
    ['an unknown kind', { kind: 3 }, 'certificate_malformed'],
    ['a NUL in the key ID', { keyId: 'alice\0' }, 'certificate_malformed'],
    [
      '257 principals',
      { principals: Array.from({ length: 257 }, (_, index) => `a${index}`) },
      'certificate_malformed',
    ],
    ['a principal twice', { principals: ['a', 'b', 'a'] }, 'certificate_malformed'],
    ['content in the reserved field', { reserved: 'x' }, 'certificate_malformed'],
    [
      'an option twice',
      {
        extensions: [
          ['a', Buffer.alloc(0)],
          ['a', Buffer.alloc(0)],
        ],
      },
      'certificate_malformed',
    ],
    [
      'options out of order',
      {
        extensions: [
          ['b', Buffer.alloc(0)],
          ['a', Buffer.alloc(0)],
        ],
      },
      'certificate_malformed',
    ],
    ['an option without a name', { extensions: [['', Buffer.alloc(0)]] }, 'certificate_malformed'],
    ['an escape sequence in the key ID', { keyId: '\u001b[2J' }, 'certificate_malformed'],
    ['a line end in a principal', { principals: ['a\nb'] }, 'certificate_malformed'],
    ['a certificate as its CA', { ca: issue(userFields) }, 'key_is_certificate'],
    ['a subject of low order', { subject: Buffer.alloc(32) }, 'key_weak'],
  ] as const)('refuses %s', (_, change, code) => {
    expect(codeOf(() => parseCertificate(rawCertificate(change)))).toBe(code);
  });

  test.each([
    ['a flag of OpenSSH with data', { extensions: [['permit-pty', packed('x')]] }],
    ['a flag of OpenSSH with an empty text', { extensions: [['permit-pty', packed('')]] }],
    ['a touch that is optional with data', { extensions: [['no-touch-required', Buffer.of(1)]] }],
    ['verify-required with data', { criticalOptions: [['verify-required', packed('x')]] }],
    ['a command that is no text', { criticalOptions: [['force-command', Buffer.of(1)]] }],
    ['a command without content', { criticalOptions: [['force-command', flag]] }],
    ['a command with a NUL', { criticalOptions: [['force-command', packed('true\0')]] }],
    ['a source address without content', { criticalOptions: [['source-address', flag]] }],
    ['host bits in a source address', { criticalOptions: [['source-address', packed('192.0.2.1/24')]] }],
    ['a negated source address', { criticalOptions: [['source-address', packed('!192.0.2.1')]] }],
    ['an empty entry in a source address', { criticalOptions: [['source-address', packed('192.0.2.1,')]] }],
    ['a zone in a source address', { criticalOptions: [['source-address', packed('fe80::1%eth0')]] }],
    [
      'a prefix too long in a source address',
      { criticalOptions: [['source-address', packed('192.0.2.0/33')]] },
    ],
  ] as const)('refuses %s, as sshd refuses the login', (_, change) => {
    expect(codeOf(() => parseCertificate(rawCertificate(change)))).toBe('certificate_malformed');
  });

  test('reads what other CAs issue and we do not, in order to show it', () => {
    const foreign = {
      serial: 0n,
      keyId: 'Alice Müller (laptop), issued by hand',
      principals: [],
      validAfter: 0n,
      validBefore: 2n ** 64n - 1n,
      nonce: Buffer.alloc(16, 1),
      criticalOptions: [
        ['force-command', packed('true\nfalse')],
        ['source-address', packed('0.0.0.0/0,2001:DB8::/32,::ffff:192.0.2.1,192.0.2.1,192.0.2.1')],
        ['verify-required', flag],
      ] as const,
    };
    const certificate = parseCertificate(rawCertificate(foreign));
    const { serial, keyId, principals, validAfter, validBefore, nonce } = foreign;
    expect(certificate).toMatchObject({ serial, keyId, principals, validAfter, validBefore, nonce });
    expect(certificate.criticalOptions).toEqual([
      { name: 'force-command', data: packed('true\nfalse') },
      { name: 'source-address', value: '0.0.0.0/0,2001:DB8::/32,::ffff:192.0.2.1,192.0.2.1,192.0.2.1' },
      { name: 'verify-required', value: '' },
    ]);
    expect(() => verifyCertificate(certificate)).not.toThrow();
    expect(parseCertificate(rawCertificate({ principals: ['Root', 'a b'] })).principals).toEqual([
      'Root',
      'a b',
    ]);
  });

  test('takes 256 principals, as OpenSSH does', () => {
    const principals = Array.from({ length: 256 }, (_, index) => `a${index}`);
    expect(parseCertificate(rawCertificate({ principals })).principals).toEqual(principals);
  });

  test('refuses a signature of another type or length', () => {
    const toBeSigned = encodeToBeSigned(userFields);
    for (const [type, length] of [
      ['ssh-rsa', 64],
      ['ssh-ed25519', 63],
    ] as const) {
      const signature = new WireWriter().string(type).string(Buffer.alloc(length)).bytes();
      const blob = new WireWriter().raw(toBeSigned).string(signature).bytes();
      expect(codeOf(() => parseCertificate(blob))).toBe('signature_invalid');
    }
  });
});

describe('verifying', () => {
  const rsa = keyOf('ssh-rsa');

  test('refuses RSA with SHA-1 by name, however right the signature is', () => {
    const toBeSigned = encodeToBeSigned({ ...userFields, caPublicKey: rsa.blob });
    const signature = new WireWriter()
      .string('ssh-rsa')
      .string(sign('sha1', toBeSigned, rsa.privateKey))
      .bytes();
    const blob = new WireWriter().raw(toBeSigned).string(signature).bytes();
    const refusal = refusalOf(() => parseCertificate(blob));
    expect([refusal.code, refusal.message]).toEqual(['signature_invalid', expect.stringContaining('SHA-1')]);
  });

  test('refuses a signature that is right, by a key of another type than the CA that is named', () => {
    const toBeSigned = encodeToBeSigned({ ...userFields, caPublicKey: rsa.blob });
    const certificate = parseCertificate(
      assembleCertificate(toBeSigned, keyOf('ssh-ed25519').sign(toBeSigned)),
    );
    expect(signatureAlgorithmInside(certificate.signature)).toBe('ssh-ed25519');
    expect(codeOf(() => verifyCertificate(certificate))).toBe('signature_invalid');
  });

  test('takes the CA that signed, among others', () => {
    const certificate = parseCertificate(issue(userFields));
    verifyCertificate(certificate);
    expect(() => verifyCertificateBy(certificate, [keyFromByte(9).blob, ca.blob])).not.toThrow();
  });

  test('refuses every CA but the trusted ones, and all where none is trusted', () => {
    const certificate = parseCertificate(issue(userFields));
    expect(codeOf(() => verifyCertificateBy(certificate, [subject.blob]))).toBe('signature_invalid');
    expect(codeOf(() => verifyCertificateBy(certificate, []))).toBe('signature_invalid');
  });

  test('refuses a certificate in which any one byte was changed', () => {
    const blob = issue(userFields);
    for (let offset = 0; offset < blob.length; offset++) {
      const changed = Buffer.from(blob);
      changed[offset] = (changed[offset] ?? 0) ^ 1;
      refusalOf(() => verifyCertificateBy(parseCertificate(changed), [ca.blob]));
    }
  });
});
