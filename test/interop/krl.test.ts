import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import { isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { codeOf } from '../ssh/refusal.ts';
import { ca, keyFromByte, type SampleKey, userFields } from '../ssh/sample-certificate.ts';
import { describeWithSshKeygen, sshKeygen, sshKeygenOutput, temporaryFolder } from './ssh-keygen.ts';

const folder = temporaryFolder();
const otherCa = keyFromByte(3);
const caFile = folder.write('ca.pub', `${publicKeyLine({ type: 'ssh-ed25519', blob: ca.blob })}\n`);
const largest = 2n ** 64n - 1n;

/** Path of a certificate with this serial. */
function certificateWith(serial: bigint, signer: SampleKey = ca): string {
  const toBeSigned = encodeToBeSigned({ ...userFields, serial, caPublicKey: signer.blob });
  const blob = assembleCertificate(toBeSigned, signWithKey(signer.privateKey, toBeSigned));
  return folder.write(`${signer === ca ? 'ca' : 'other'}-${serial}-cert.pub`, `${certificateLine(blob)}\n`);
}

/** What `ssh-keygen -Q` says: which of the certificates are revoked. */
function revokedBySshKeygen(krlFile: string, certificates: readonly string[]): boolean[] {
  const { stdout, status, stderr } = sshKeygen(['-Q', '-f', krlFile, ...certificates]);
  const answers = stdout.split('\n').filter((line) => /: (ok|REVOKED)$/.test(line));
  if (answers.length !== certificates.length) throw new Error(`ssh-keygen -Q: ${status} ${stderr}`);
  return answers.map((line) => line.endsWith('REVOKED'));
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
    const bytes = encodeKrl({
      version: 3n,
      generatedAt: 1_800_000_000n,
      comment: 'ours',
      sections: [
        { kind: 'certificates' as const, caPublicKey: ca.blob, serials: members },
        { kind: 'certificates' as const, caPublicKey: otherCa.blob, serials: [77n] },
      ],
    });
    const krlFile = folder.write('ours', bytes);
    const expected = probes.map((serial) => members.includes(serial));
    expect(
      revokedBySshKeygen(
        krlFile,
        probes.map((serial) => certificateWith(serial)),
      ),
    ).toEqual(expected);
    const krl = parseKrl(bytes);
    expect(probes.map((serial) => isRevoked(krl, ca.blob, serial))).toEqual(expected);
  });

  test('a serial counts for its own CA only', () => {
    const sections = [
      { kind: 'certificates' as const, caPublicKey: ca.blob, serials: [10n] },
      { kind: 'certificates' as const, caPublicKey: otherCa.blob, serials: [20n] },
    ];
    const krlFile = folder.write('two', encodeKrl({ version: 1n, generatedAt: 1n, comment: '', sections }));
    const files = [
      certificateWith(10n),
      certificateWith(20n),
      certificateWith(10n, otherCa),
      certificateWith(20n, otherCa),
    ];
    expect(revokedBySshKeygen(krlFile, files)).toEqual([true, false, false, true]);
  });

  test('sshd’s limit on bitmaps is never met: 10 % of 100,000 serials are still readable', () => {
    const serials = Array.from({ length: 10_000 }, (_, index) => BigInt(index * 10 + 1));
    const sections = [{ kind: 'certificates' as const, caPublicKey: ca.blob, serials }];
    const krlFile = folder.write('many', encodeKrl({ version: 1n, generatedAt: 1n, comment: '', sections }));
    expect(revokedBySshKeygen(krlFile, [certificateWith(99_991n), certificateWith(99_992n)])).toEqual([
      true,
      false,
    ]);
  });

  test.each([
    ['a list', 'serial: 5\nserial: 50000\nserial: 9007199254740993\n', [5n, 50_000n, 2n ** 53n + 1n]],
    ['a range', 'serial: 1000-1003\n', [1000n, 1001n, 1002n, 1003n]],
    [
      'a bitmap',
      [1, 3, 4, 6, 8, 9, 11, 15].map((n) => `serial: ${n}\n`).join(''),
      [1n, 3n, 4n, 6n, 8n, 9n, 11n, 15n],
    ],
  ])('%s that ssh-keygen -k wrote is read as it means it', (kind, specification, serials) => {
    const krl = parseKrl(madeBySshKeygen(`theirs-${kind.replace(' ', '-')}`, specification));
    expect(krl.version).toBe(9n);
    const revoked = serials.flatMap((serial) => [serial - 1n, serial, serial + 1n]);
    for (const serial of revoked) expect(isRevoked(krl, ca.blob, serial)).toBe(serials.includes(serial));
  });

  test('one that revokes by key ID, or a key itself, is refused: its meaning would be lost', () => {
    const byKeyId = madeBySshKeygen('by-key-id', 'serial: 5\nid: alice@example.org/01ab\n');
    const byKey = madeBySshKeygen(
      'by-key',
      `serial: 5\nkey: ${publicKeyLine({ type: 'ssh-ed25519', blob: otherCa.blob })}\n`,
    );
    expect([codeOf(() => parseKrl(byKeyId)), codeOf(() => parseKrl(byKey))]).toEqual([
      'krl_malformed',
      'krl_malformed',
    ]);
  });

  test('a bitmap of ssh-keygen -k that sshd itself would refuse is refused', () => {
    const specification = Array.from({ length: 20_000 }, (_, n) => (n % 3 ? '' : `serial: ${n + 1}\n`)).join(
      '',
    );
    const bytes = madeBySshKeygen('too-large', specification);
    const { status } = sshKeygen(['-Q', '-f', folder.path('too-large'), certificateWith(2n)]);
    expect(status).not.toBe(0);
    expect(codeOf(() => parseKrl(bytes))).toBe('krl_malformed');
  });
});
