import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import type { KrlSection } from '../../src/ssh/krl.ts';
import { isCertificateRevoked, isKeyRevoked, isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { fingerprint, publicKeyLine } from '../../src/ssh/public-key.ts';
import { codeOf } from '../ssh/refusal.ts';
import { ca, keyFromByte, subject, userFields } from '../ssh/sample-certificate.ts';
import { type AskedCertificate, askSshKeygen } from './query-krl.ts';
import { describeWithSshKeygen, sshKeygen, sshKeygenOutput, temporaryFolder } from './ssh-keygen.ts';

const folder = temporaryFolder();
const otherCa = keyFromByte(3);
const otherSubject = keyFromByte(4);
const lineOfKey = (blob: Buffer) => publicKeyLine({ type: 'ssh-ed25519', blob });
const caFile = folder.write('ca.pub', `${lineOfKey(ca.blob)}\n`);
const largest = 2n ** 64n - 1n;

/** The file of a list that we wrote. */
function ours(name: string, sections: readonly KrlSection[]): string {
  return folder.write(
    name,
    encodeKrl({ version: 3n, generatedAt: 1_800_000_000n, comment: 'ours', sections }),
  );
}

/** The list that `ssh-keygen -k` makes of a specification. */
function madeBySshKeygen(name: string, specification: string): Buffer {
  const spec = folder.write(`${name}.spec`, specification);
  sshKeygenOutput(['-q', '-k', '-f', folder.path(name), '-s', caFile, '-z', '9', spec]);
  return readFileSync(folder.path(name));
}

const dense = Array.from({ length: 40 }, (_, index) => 1000n + BigInt(index));
const scattered = Array.from({ length: 40 }, (_, index) => 5000n + BigInt(index) * 97n);
const members = [1n, 4n, 5n, ...dense, ...scattered, 2n ** 53n + 1n, 2n ** 63n, largest];
const probes = [...new Set(members.flatMap((serial) => [serial - 1n, serial, serial + 1n]))].filter(
  (serial) => serial > 0n && serial <= largest,
);

describeWithSshKeygen('revocation lists and ssh-keygen', () => {
  test('ssh-keygen -Q finds every member of our list and none of their neighbours', () => {
    const krlFile = ours('ours', [
      { kind: 'certificates', caPublicKey: ca.blob, serials: members },
      { kind: 'certificates', caPublicKey: otherCa.blob, serials: [77n] },
    ]);
    const expected = probes.map((serial) => members.includes(serial));
    expect(
      askSshKeygen(
        folder,
        krlFile,
        probes.map((serial) => ({ serial })),
      ),
    ).toEqual(expected);
    const krl = parseKrl(readFileSync(krlFile));
    expect(probes.map((serial) => isRevoked(krl, ca.blob, serial))).toEqual(expected);
  });

  test('a list of ssh-keygen -k that revokes a weak key is read, and the key is revoked by it', () => {
    const weak = folder.path('weak');
    sshKeygenOutput(['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', weak]);
    sshKeygenOutput(['-q', '-k', '-f', folder.path('of-weak-keys'), `${weak}.pub`]);
    const [, base64 = ''] = readFileSync(`${weak}.pub`, 'utf8').split(' ');
    const krl = parseKrl(readFileSync(folder.path('of-weak-keys')));
    expect(isKeyRevoked(krl, Buffer.from(base64, 'base64'))).toBe(true);
    expect(isKeyRevoked(krl, subject.blob)).toBe(false);
    const again = ours('of-weak-keys-again', [{ kind: 'keys', blobs: [Buffer.from(base64, 'base64')] }]);
    expect(sshKeygen(['-Q', '-f', again, `${weak}.pub`]).stdout).toContain('REVOKED');
  });

  test('a serial counts for its own CA only', () => {
    const krlFile = ours('two', [
      { kind: 'certificates', caPublicKey: ca.blob, serials: [10n] },
      { kind: 'certificates', caPublicKey: otherCa.blob, serials: [20n] },
    ]);
    const asked = [ca, otherCa].flatMap((by) => [10n, 20n].map((serial) => ({ serial, by })));
    expect(askSshKeygen(folder, krlFile, asked)).toEqual([true, false, false, true]);
  });

  test('sshd’s limit on bitmaps is never met: 10 % of 100,000 serials are still readable', () => {
    const serials = Array.from({ length: 10_000 }, (_, index) => BigInt(index * 10 + 1));
    const krlFile = ours('many', [{ kind: 'certificates', caPublicKey: ca.blob, serials }]);
    const asked = [99_991n, 99_992n].map((serial) => ({ serial }));
    expect(askSshKeygen(folder, krlFile, asked)).toEqual([true, false]);
  });

  const asked: AskedCertificate[] = [userFields.keyId, 'bob'].flatMap((keyId) =>
    [ca, otherCa].flatMap((by) =>
      [subject, otherSubject].flatMap((of) => [5n, 6n].map((serial) => ({ keyId, by, subject: of, serial }))),
    ),
  );
  const sha1 = (blob: Buffer) => createHash('sha1').update(blob).digest();
  const sha256 = (blob: Buffer) => createHash('sha256').update(blob).digest();

  test.each<[string, KrlSection]>([
    ['serials of every CA', { kind: 'certificates', caPublicKey: null, serials: [5n] }],
    ['key IDs', { kind: 'certificates', caPublicKey: ca.blob, serials: [], keyIds: ['bob', 'carol'] }],
    ['key IDs and serials', { kind: 'certificates', caPublicKey: ca.blob, serials: [5n], keyIds: ['bob'] }],
    ['a key', { kind: 'keys', blobs: [subject.blob, keyFromByte(9).blob] }],
    ['a CA’s key', { kind: 'keys', blobs: [otherCa.blob] }],
    ['the SHA1 of a key', { kind: 'sha1', digests: [sha1(subject.blob), sha1(keyFromByte(9).blob)] }],
    [
      'the SHA256 of a CA’s key',
      { kind: 'sha256', digests: [sha256(otherCa.blob), sha256(keyFromByte(9).blob)] },
    ],
  ])('ssh-keygen -Q and we agree about a list of ours that names %s', (name, section) => {
    const krlFile = ours(name.replaceAll(/\W/g, '-'), [section]);
    const krl = parseKrl(readFileSync(krlFile));
    const answers = askSshKeygen(folder, krlFile, asked);
    expect(asked.map((certificate) => askUs(krl, certificate))).toEqual(answers);
    expect(new Set(answers).size).toBe(2);
  });

  test.each<[string, string]>([
    ['a list', 'serial: 5\nserial: 50000\nserial: 9007199254740993\n'],
    ['a range', 'serial: 3-5\nserial: 1000-100003\n'],
    ['a bitmap', [1, 3, 5, 7, 8, 9, 11, 15].map((n) => `serial: ${n}\n`).join('')],
    ['key IDs', 'id: bob\nid: carol\n'],
    ['key IDs and serials', 'serial: 5\nid: bob\n'],
    ['a key', `key: ${lineOfKey(subject.blob)}\n`],
    ['the SHA1 of a key', `sha1: ${lineOfKey(subject.blob)}\n`],
    ['the SHA256 of a key', `sha256: ${lineOfKey(otherCa.blob)}\nsha256: ${lineOfKey(otherSubject.blob)}\n`],
    ['a hash', `hash: ${fingerprint(otherCa.blob)}\n`],
  ])('%s that ssh-keygen -k wrote means to us what it means to ssh-keygen -Q', (name, specification) => {
    const file = `theirs-${name.replaceAll(/\W/g, '-')}`;
    const krl = parseKrl(madeBySshKeygen(file, specification));
    expect(krl.version).toBe(9n);
    const answers = askSshKeygen(folder, folder.path(file), asked);
    expect(asked.map((certificate) => askUs(krl, certificate))).toEqual(answers);
    expect(new Set(answers).size).toBe(2);
  });

  test('[abuse 110] a key ID in another case, or with a blank behind it, is not found: serials are', () => {
    const byKeyId = madeBySshKeygen('by-key-id', `id: ${userFields.keyId}\n`);
    const keyIds = [userFields.keyId, userFields.keyId.toUpperCase(), `${userFields.keyId} `];
    const certificates = keyIds.map((keyId) => ({ serial: 42n, keyId }));
    expect(askSshKeygen(folder, folder.path('by-key-id'), certificates)).toEqual([true, false, false]);
    const krl = parseKrl(byKeyId);
    expect(certificates.map((certificate) => askUs(krl, certificate))).toEqual([true, false, false]);

    const bySerial = ours('by-serial', [{ kind: 'certificates', caPublicKey: ca.blob, serials: [42n] }]);
    expect(askSshKeygen(folder, bySerial, certificates)).toEqual([true, true, true]);
  });

  test('small lists of one kind are the very bytes that ssh-keygen -k writes', () => {
    const specification = `serial: 7\nserial: 70000\nid: bob\nid: alice\nkey: ${lineOfKey(subject.blob)}\nsha1: ${lineOfKey(otherCa.blob)}\nsha256: ${lineOfKey(otherCa.blob)}\n`;
    const theirs = madeBySshKeygen('bytes', specification);
    const { version, generatedAt } = parseKrl(theirs);
    const sections: KrlSection[] = [
      { kind: 'certificates', caPublicKey: ca.blob, serials: [70_000n, 7n], keyIds: ['bob', 'alice'] },
      { kind: 'keys', blobs: [subject.blob] },
      { kind: 'sha1', digests: [sha1(otherCa.blob)] },
      { kind: 'sha256', digests: [sha256(otherCa.blob)] },
    ];
    expect(encodeKrl({ version, generatedAt, comment: '', sections })).toEqual(theirs);
  });

  test('a bitmap of ssh-keygen -k that sshd itself would refuse is refused', () => {
    const every3 = Array.from({ length: 6_667 }, (_, n) => `serial: ${3 * n + 1}\n`).join('');
    const bytes = madeBySshKeygen('too-large', every3);
    expect(sshKeygen(['-Q', '-f', folder.path('too-large'), caFile]).status).not.toBe(0);
    expect(codeOf(() => parseKrl(bytes))).toBe('krl_malformed');
  });
});

function askUs(
  krl: ReturnType<typeof parseKrl>,
  { serial, keyId, by, subject: of }: AskedCertificate,
): boolean {
  return isCertificateRevoked(krl, {
    publicKey: of?.blob ?? userFields.publicKey,
    caPublicKey: by?.blob ?? ca.blob,
    serial,
    keyId: keyId ?? userFields.keyId,
  });
}
