import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ed25519PointFault } from '../../src/ssh/ed25519-point.ts';
import { certificateLine } from '../../src/ssh/encode-certificate.ts';
import { isSecurityKey } from '../../src/ssh/key-types.ts';
import {
  ed25519PublicKeyBlob,
  ed25519RawKey,
  parsePublicKeyLine,
  publicKeyBlobOf,
  publicKeyLine,
  toKeyObject,
} from '../../src/ssh/public-key.ts';
import { WireWriter } from '../../src/ssh/wire.ts';
import { lineOf, positive, rsaLine } from './raw-key-line.ts';
import { codeOf, refusalOf } from './refusal.ts';
import { issue, subject, userFields } from './sample-certificate.ts';
import { keysOfEveryType, securityKey } from './sample-keys.ts';

const good = publicKeyLine({ type: 'ssh-ed25519', blob: subject.blob });
const base64 = subject.blob.toString('base64');

function ed25519Line(key: Uint8Array): string {
  return lineOf('ssh-ed25519', new WireWriter().string('ssh-ed25519').string(key).bytes());
}

/** Odd, of exactly so many bits; nobody checks that it is a product of two primes. */
const modulusOf = (bits: bigint) => 2n ** (bits - 1n) + 1n;

describe('a good line', () => {
  test('gives type, blob and comment', () => {
    expect(parsePublicKeyLine(`${good} alice's laptop`)).toEqual({
      type: 'ssh-ed25519',
      blob: subject.blob,
      comment: "alice's laptop",
    });
  });

  test('may end in one line end', () => {
    expect(parsePublicKeyLine(`${good}\n`).comment).toBe('');
    expect(parsePublicKeyLine(`${good} x\r\n`).comment).toBe('x');
  });

  test('is written as it was read', () => {
    const line = `${good} alice@laptop`;
    expect(publicKeyLine(parsePublicKeyLine(line))).toBe(line);
  });

  test.each(keysOfEveryType().map((key) => [key.type, key] as const))(
    'of type %s is read, written back and turned into a key of node:crypto and back',
    (type, { blob, privateKey }) => {
      const line = publicKeyLine({ blob, comment: 'alice@laptop' });
      const key = parsePublicKeyLine(line);
      expect(key).toEqual({ type, blob, comment: 'alice@laptop' });
      expect(publicKeyLine(key)).toBe(line);
      expect(toKeyObject(blob).equals(createPublicKey(privateKey))).toBe(true);
      if (!isSecurityKey(type)) {
        expect(publicKeyBlobOf(privateKey).equals(blob)).toBe(true);
        expect(publicKeyBlobOf(toKeyObject(blob)).equals(blob)).toBe(true);
      }
    },
  );

  test('cannot be written with a comment that starts a second line', () => {
    expect(codeOf(() => publicKeyLine({ type: 'ssh-ed25519', blob: subject.blob, comment: 'a\nb' }))).toBe(
      'key_malformed',
    );
  });
});

describe('refused lines', () => {
  test('[abuse 36] a certificate is not a public key, under its own name or another', () => {
    const certificate = issue(userFields);
    expect(codeOf(() => parsePublicKeyLine(certificateLine(certificate, 'alice')))).toBe(
      'key_is_certificate',
    );
    expect(codeOf(() => parsePublicKeyLine(lineOf('ssh-ed25519', certificate)))).toBe('key_is_certificate');
  });

  const secretBody = 'b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ';
  test.each([
    ['OpenSSH', `-----BEGIN OPENSSH PRIVATE KEY-----\n${secretBody}\n-----END OPENSSH PRIVATE KEY-----\n`],
    ['PEM', `-----BEGIN RSA PRIVATE KEY-----\n${secretBody}\n-----END RSA PRIVATE KEY-----`],
    ['PKCS #8', `-----BEGIN PRIVATE KEY-----\n${secretBody}\n-----END PRIVATE KEY-----`],
    ['PuTTY', `PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n${secretBody}`],
    ['base64 without its armor', `ssh-ed25519 ${secretBody}`],
  ])('[abuse 37] a private key in the form of %s is named as such and never repeated', (_, text) => {
    const refusal = refusalOf(() => parsePublicKeyLine(text));
    expect(refusal.code).toBe('key_is_private');
    expect(`${refusal.message} ${refusal.detail} ${JSON.stringify(refusal.members)}`).not.toContain(
      secretBody.slice(0, 8),
    );
  });

  test('[abuse 38] RSA below 3072 bits is weak', () => {
    expect(codeOf(() => parsePublicKeyLine(rsaLine(65_537n, modulusOf(3071n))))).toBe('key_weak');
    expect(codeOf(() => parsePublicKeyLine(rsaLine(65_537n, modulusOf(1024n))))).toBe('key_weak');
  });

  test('[abuse 38] DSA is refused', () => {
    const blob = new WireWriter().string('ssh-dss');
    for (const _ of ['p', 'q', 'g', 'y']) blob.string(positive(2n ** 159n + 1n));
    expect(codeOf(() => parsePublicKeyLine(lineOf('ssh-dss', blob.bytes())))).toBe('key_type_refused');
  });

  test.each([
    ['another curve than its type says', 'ecdsa-sha2-nistp256', 'nistp384', 65],
    ['a curve that OpenSSH does not know', 'ecdsa-sha2-nistp224', 'nistp224', 57],
    ['a curve by number', 'ecdsa-sha2-1.3.132.0.10', '1.3.132.0.10', 65],
  ])('[abuse 38] ECDSA with %s is refused', (_, type, curve, length) => {
    const point = Buffer.alloc(length, 4);
    const blob = new WireWriter().string(type).string(curve).string(point).bytes();
    expect(codeOf(() => parsePublicKeyLine(lineOf(type, blob)))).toBe('key_type_refused');
  });

  test.each([
    ['an exponent of 1', rsaLine(1n, modulusOf(3072n)), 'key_weak'],
    ['an even exponent', rsaLine(65_538n, modulusOf(3072n)), 'key_weak'],
    ['a huge exponent', rsaLine(2n ** 64n + 1n, modulusOf(3072n)), 'key_weak'],
    ['an even modulus', rsaLine(65_537n, modulusOf(3072n) + 1n), 'key_weak'],
    ['an exponent of 2', rsaLine(2n, modulusOf(3072n)), 'key_weak'],
    ['more than 16,384 bits', rsaLine(65_537n, modulusOf(16_385n)), 'key_type_refused'],
  ])('[abuse 39] RSA with %s is refused', (_, line, code) => {
    expect(codeOf(() => parsePublicKeyLine(line))).toBe(code);
  });

  const { blob: p256Blob } = keysOfEveryType()[1] ?? { blob: Buffer.alloc(0) };
  const goodPoint = p256Blob.subarray(-65);
  const [goodX, goodY] = [goodPoint.subarray(1, 33), goodPoint.subarray(33)];
  const p256Line = (point: Uint8Array) =>
    lineOf(
      'ecdsa-sha2-nistp256',
      new WireWriter().string('ecdsa-sha2-nistp256').string('nistp256').string(point).bytes(),
    );
  const fieldPrime = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
  const beyondField = Buffer.from((2n ** 256n - 1n).toString(16), 'hex');

  test.each([
    ['off the curve', Buffer.concat([Buffer.of(4), goodX, Buffer.alloc(32, 1)])],
    ['with its coordinates exchanged', Buffer.concat([Buffer.of(4), goodY, goodX])],
    ['at infinity', Buffer.of(0)],
    ['of zeros, which is how some write infinity', Buffer.concat([Buffer.of(4), Buffer.alloc(64)])],
    ['in compressed form', Buffer.concat([Buffer.of(2 + ((goodY[31] ?? 0) & 1)), goodX])],
    ['in hybrid form', Buffer.concat([Buffer.of(6 + ((goodY[31] ?? 0) & 1)), goodX, goodY])],
    [
      'with a coordinate of the field’s prime',
      Buffer.concat([Buffer.of(4), Buffer.from(fieldPrime.toString(16), 'hex'), goodY]),
    ],
    ['with a coordinate beyond the field', Buffer.concat([Buffer.of(4), beyondField, goodY])],
    ['a byte too short', goodPoint.subarray(0, 64)],
    ['a byte too long', Buffer.concat([goodPoint, Buffer.alloc(1)])],
  ])('[abuse 38] an ECDSA point %s is refused', (_, point) => {
    expect(parsePublicKeyLine(p256Line(goodPoint)).type).toBe('ecdsa-sha2-nistp256');
    expect(codeOf(() => parsePublicKeyLine(p256Line(point)))).toBe('key_malformed');
  });

  const { privateKey: inner } = keysOfEveryType()[0] ?? {};
  if (inner === undefined) throw new Error('there is no Ed25519 key');

  test.each(['ssh:', 'ssh:work', 'ssh://example.org'])(
    'a security key for the application %j is read, and not under the name of the plain type',
    (application) => {
      const { type, blob } = securityKey(inner, application);
      expect(parsePublicKeyLine(lineOf(type, blob)).type).toBe(type);
      expect(codeOf(() => parsePublicKeyLine(lineOf('ssh-ed25519', blob)))).toBe('key_malformed');
      const disguised = new WireWriter().string('ssh-ed25519').string(ed25519RawKey(subject.blob));
      const line = lineOf('ssh-ed25519', disguised.string(application).bytes());
      expect(codeOf(() => parsePublicKeyLine(line))).toBe('key_malformed');
    },
  );

  test.each(['ssh', 'SSH:', 'https://login.example.com', 'login.example.com', '', 'ssh:\u001b[2J', 'ssh: x'])(
    '[abuse 46] a security key for the application %j is refused, and the reason named',
    (application) => {
      for (const key of keysOfEveryType().slice(0, 2)) {
        const { type, blob } = securityKey(key.privateKey, application);
        const refusal = refusalOf(() => parsePublicKeyLine(lineOf(type, blob)));
        expect([refusal.code, refusal.message]).toEqual([
          'key_type_refused',
          expect.stringContaining('another application'),
        ]);
      }
    },
  );

  test('a type nobody knows is refused with the command that makes an acceptable key', () => {
    const blob = new WireWriter().string('ssh-unknown@example.org').bytes();
    const refusal = refusalOf(() => parsePublicKeyLine(lineOf('ssh-unknown@example.org', blob)));
    expect(refusal.code).toBe('key_type_refused');
    expect(refusal.message).toContain('ssh-keygen -t ed25519');
  });

  test('[abuse 46] a security key whose application is missing, no text or followed by more is malformed', () => {
    const key = ed25519RawKey(subject.blob);
    const begun = () => new WireWriter().string('sk-ssh-ed25519@openssh.com').string(key);
    const damaged = [
      begun(),
      begun().string('ssh:\0evil'),
      begun().string(Buffer.from([0xff])),
      begun().string('ssh:').string('ssh:'),
    ];
    for (const blob of damaged) {
      const line = lineOf('sk-ssh-ed25519@openssh.com', blob.bytes());
      expect(codeOf(() => parsePublicKeyLine(line))).toBe('key_malformed');
    }
  });

  test.each([
    ['the line', `ssh-rsa ${base64}`],
    ['the blob', lineOf('ssh-ed25519', new WireWriter().string('ssh-rsa').string('x').string('y').bytes())],
  ])('[abuse 42] a type that only %s names is refused', (_, line) => {
    expect(codeOf(() => parsePublicKeyLine(line))).toBe('key_malformed');
  });

  test.each([
    ['bytes after the key', lineOf('ssh-ed25519', Buffer.concat([subject.blob, Buffer.alloc(1)]))],
    ['base64 after the padding', `${good}=`],
    ['two keys on two lines', `${good}\n${good}`],
    ['two keys on one line', `${good} ${good}`],
    ['an option', `restrict ${good}`],
    ['an option with a value', `command="sh" ${good}`],
    ['an option with a value and spaces', `command="sh -c x",no-pty ${good}`],
    ['a marker', `@cert-authority * ${good}`],
    ['an option that swallows the type', `restrict ${base64}`],
    ['a space before the key', ` ${good}`],
    ['no type', base64],
    ['no key', 'ssh-ed25519'],
    ['nothing', ''],
  ])('[abuse 43] a line with %s is refused', (_, line) => {
    expect(codeOf(() => parsePublicKeyLine(line))).toBe('key_malformed');
  });

  test.each([
    ['of a megabyte', `${good} ${'x'.repeat(2 ** 20)}`, 'longer than'],
    ['of 16 KiB and one byte', `${good} `.padEnd(16_385, 'x'), 'longer than'],
    ['with NULs', `${good}\0`, 'NUL'],
    ['in UTF-16', Buffer.from(good, 'utf16le').toString('latin1'), 'UTF-16'],
    ['in UTF-16 with its mark', Buffer.from(`\uFEFF${good}`, 'utf16le').toString('utf8'), 'UTF-16'],
    ['with a byte order mark', `\uFEFF${good}`, 'byte order mark'],
    ['with a byte order mark read as Latin-1', `\u00EF\u00BB\u00BF${good}`, 'byte order mark'],
    ['with an escape sequence in its comment', `${good} \u001b[2Jx`, 'control'],
  ])('[abuse 47] a line %s is refused, and the reason named', (_, line, reason) => {
    const refusal = refusalOf(() => parsePublicKeyLine(line));
    expect(refusal.code).toBe('key_malformed');
    expect(refusal.message).toContain(reason);
  });

  test('a key in RFC 4716 or PEM form is told how to be converted', () => {
    for (const begin of ['---- BEGIN SSH2 PUBLIC KEY ----', '-----BEGIN PUBLIC KEY-----']) {
      expect(refusalOf(() => parsePublicKeyLine(`${begin}\n${base64}`)).message).toContain(
        'ssh-keygen -i -f',
      );
    }
  });

  test('several lines are told that one is wanted', () => {
    expect(refusalOf(() => parsePublicKeyLine(`${good}\n${good}\n`)).message).toContain('more than one line');
  });

  test('every cut of a good blob is refused', () => {
    for (let length = 0; length < subject.blob.length; length++) {
      const line = lineOf('ssh-ed25519', subject.blob.subarray(0, length));
      expect(codeOf(() => parsePublicKeyLine(line))).toBe('key_malformed');
    }
  });
});

describe('an Ed25519 point', () => {
  const hex = (text: string) => Buffer.from(text, 'hex');
  const lowOrder: readonly [order: string, key: string][] = [
    ['1', `01${'00'.repeat(31)}`],
    ['1, sign set', `01${'00'.repeat(30)}80`],
    ['2', `ec${'ff'.repeat(30)}7f`],
    ['2, sign set', `ec${'ff'.repeat(31)}`],
    ['4', '00'.repeat(32)],
    ['4, sign set', `${'00'.repeat(31)}80`],
    ['8', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'],
    ['8, sign set', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa'],
    ['8, the other y', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'],
    ['8, the other y, sign set', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85'],
  ];
  test.each(lowOrder)('[abuse 41] of order %s is refused as weak', (_, key) => {
    expect(codeOf(() => parsePublicKeyLine(ed25519Line(hex(key))))).toBe('key_weak');
  });

  test.each([
    ['p', `ed${'ff'.repeat(30)}7f`],
    ['p + 1', `ee${'ff'.repeat(30)}7f`],
    ['2^255 - 1', `${'ff'.repeat(31)}7f`],
  ])('[abuse 41] whose y is %s is not canonical', (_, key) => {
    expect(ed25519PointFault(hex(key))).toBe('not-canonical');
    expect(codeOf(() => parsePublicKeyLine(ed25519Line(hex(key))))).toBe('key_malformed');
  });

  test('off the curve is refused', () => {
    expect(ed25519PointFault(hex(`02${'00'.repeat(31)}`))).toBe('not-on-curve');
    expect(codeOf(() => ed25519PublicKeyBlob(hex(`02${'00'.repeat(31)}`)))).toBe('key_malformed');
  });

  test('is on the curve for about half of all y', () => {
    const faults = Array.from({ length: 200 }, (_, y) =>
      ed25519PointFault(hex(`${(y + 2).toString(16).padStart(2, '0')}${'00'.repeat(31)}`)),
    );
    const onCurve = faults.filter((fault) => fault === undefined).length;
    expect(onCurve).toBeGreaterThan(70);
    expect(onCurve).toBeLessThan(130);
  });

  test('of every generated key is accepted', () => {
    for (let round = 0; round < 50; round++) {
      const { x = '' } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
      expect(ed25519PointFault(Buffer.from(x, 'base64url'))).toBeUndefined();
    }
  });

  test('has 32 bytes', () => {
    expect(codeOf(() => ed25519PublicKeyBlob(Buffer.alloc(31, 9)))).toBe('key_malformed');
    expect(codeOf(() => ed25519PublicKeyBlob(Buffer.alloc(33, 9)))).toBe('key_malformed');
  });
});
