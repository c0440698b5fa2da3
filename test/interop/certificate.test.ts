import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { CertificateFields } from '../../src/ssh/certificate.ts';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { fingerprint, parsePublicKeyLine, publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { verifyCertificateBy } from '../../src/ssh/verify-certificate.ts';
import { describeWithSshKeygen, sshKeygenOutput, temporaryFolder } from './ssh-keygen.ts';

const folder = temporaryFolder();
const ca = generateEd25519();
const caFile = folder.write('ca', ca.openssh('test CA'));

const common = {
  nonce: Buffer.alloc(32, 7),
  validAfter: 1_800_000_000n,
  validBefore: 1_800_003_600n,
  caPublicKey: ca.publicKeyBlob,
};

const user: Omit<CertificateFields, 'publicKey'> = {
  ...common,
  kind: 'user',
  serial: 2n ** 64n - 1n,
  keyId: 'alice@example.org/01ab',
  principals: ['mfa:alice@example.org', 'alice@example.org'],
  criticalOptions: [{ name: 'source-address', value: '192.0.2.0/24,2001:db8::/32' }],
  extensions: [
    { name: 'mfa@ca.example.org', value: '{"v":1,"methods":["otp"]}' },
    { name: 'permit-pty', value: '' },
    { name: 'permit-agent-forwarding', value: '' },
    { name: 'permit-X11-forwarding', value: '' },
  ],
};

const host: Omit<CertificateFields, 'publicKey'> = {
  ...common,
  kind: 'host',
  serial: 2n ** 53n + 1n,
  keyId: 'host/web',
  principals: ['web.sallyport', '127.0.0.1'],
  criticalOptions: [],
  extensions: [],
};

function newSubject(name: string): { file: string; blob: Buffer } {
  const key = generateEd25519();
  const line = publicKeyLine({ type: 'ssh-ed25519', blob: key.publicKeyBlob, comment: name });
  return { file: folder.write(`${name}.pub`, `${line}\n`), blob: key.publicKeyBlob };
}

function optionArguments(fields: Omit<CertificateFields, 'publicKey'>): string[] {
  const custom = fields.extensions.map(({ name, value }) =>
    value === '' ? name : `extension:${name}=${value}`,
  );
  const critical = fields.criticalOptions.map(({ name, value }) => `${name}=${value}`);
  const cleared = fields.kind === 'user' ? ['clear'] : [];
  return [...cleared, ...custom, ...critical].flatMap((option) => ['-O', option]);
}

/** The line of the certificate that ssh-keygen makes of the fields, apart from the nonce, which it draws itself. */
function signedBySshKeygen(fields: Omit<CertificateFields, 'publicKey'>, subjectFile: string): string {
  const hex = (seconds: bigint) => `0x${seconds.toString(16)}`;
  sshKeygenOutput([
    ...['-q', '-s', caFile, '-I', fields.keyId, '-z', `${fields.serial}`],
    ...['-n', fields.principals.join(','), '-V', `${hex(fields.validAfter)}:${hex(fields.validBefore)}`],
    ...(fields.kind === 'host' ? ['-h'] : []),
    ...optionArguments(fields),
    subjectFile,
  ]);
  return readFileSync(subjectFile.replace(/\.pub$/, '-cert.pub'), 'utf8');
}

describeWithSshKeygen('certificates and ssh-keygen', () => {
  test.each([
    ['user', user],
    ['host', host],
  ])('[abuse 35] a %s certificate is the same bytes as that of ssh-keygen -s', (kind, fields) => {
    const subject = newSubject(`same-${kind}`);
    const theirs = parseCertificateLine(signedBySshKeygen(fields, subject.file));
    verifyCertificateBy(theirs, [ca.publicKeyBlob]);

    const toBeSigned = encodeToBeSigned({ ...fields, publicKey: subject.blob, nonce: theirs.nonce });
    expect(toBeSigned.toString('hex')).toBe(theirs.toBeSigned.toString('hex'));
    const ours = assembleCertificate(toBeSigned, signWithKey(ca.privateKey, toBeSigned));
    expect(ours.toString('hex')).toBe(theirs.blob.toString('hex'));
  });

  test('[abuse 35] ssh-keygen -L reads ours', () => {
    const subject = newSubject('listed');
    const toBeSigned = encodeToBeSigned({ ...user, publicKey: subject.blob });
    const blob = assembleCertificate(toBeSigned, signWithKey(ca.privateKey, toBeSigned));
    const file = folder.write('listed-cert.pub', `${certificateLine(blob, 'alice')}\n`);
    const lines = sshKeygenOutput(['-L', '-f', file])
      .split('\n')
      .map((line) => line.trim());
    expect(lines.slice(1, 6)).toEqual([
      'Type: ssh-ed25519-cert-v01@openssh.com user certificate',
      `Public key: ED25519-CERT ${fingerprint(subject.blob)}`,
      `Signing CA: ED25519 ${fingerprint(ca.publicKeyBlob)} (using ssh-ed25519)`,
      'Key ID: "alice@example.org/01ab"',
      'Serial: 18446744073709551615',
    ]);
    expect(lines).toEqual(
      expect.arrayContaining(['alice@example.org', 'mfa:alice@example.org', 'permit-pty']),
    );
    expect(lines).toContain('source-address 192.0.2.0/24,2001:db8::/32');
  });

  test('[abuse 36] what ssh-keygen -s makes is not taken for a public key', () => {
    const line = signedBySshKeygen(user, newSubject('not-a-key').file);
    expect(() => parsePublicKeyLine(line)).toThrow(expect.objectContaining({ code: 'key_is_certificate' }));
  });
});
