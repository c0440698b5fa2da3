import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type CertificateFields, certificateTypeOf } from '../../src/ssh/certificate.ts';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { keyTypes } from '../../src/ssh/key-types.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { fingerprint, parsePublicKeyLine, publicKeyLine } from '../../src/ssh/public-key.ts';
import { signatureAlgorithmOf, signWithKey } from '../../src/ssh/signature.ts';
import { verifyCertificateBy } from '../../src/ssh/verify-certificate.ts';
import { keysOfEveryType } from '../ssh/sample-keys.ts';
import { type KeyKind, newKeyPair, type SampleKeyPair } from './sample-keys.ts';
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

/** The lines of the certificates that ssh-keygen makes of the fields, apart from the nonces, which it draws itself. */
function signedBySshKeygen(
  fields: Omit<CertificateFields, 'publicKey'>,
  subjectFiles: readonly string[],
  signingFile = caFile,
): string[] {
  const hex = (seconds: bigint) => `0x${seconds.toString(16)}`;
  sshKeygenOutput([
    ...['-q', '-s', signingFile, '-I', fields.keyId, '-z', `${fields.serial}`],
    ...['-n', fields.principals.join(','), '-V', `${hex(fields.validAfter)}:${hex(fields.validBefore)}`],
    ...(fields.kind === 'host' ? ['-h'] : []),
    ...optionArguments(fields),
    ...subjectFiles,
  ]);
  return subjectFiles.map((file) => readFileSync(file.replace(/\.pub$/, '-cert.pub'), 'utf8'));
}

describeWithSshKeygen('certificates and ssh-keygen', () => {
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

  const subjects = keysOfEveryType();
  const signers = keysOfEveryType();
  const authorities: readonly [KeyKind, SampleKeyPair][] = (
    ['ed25519', 'nistp256', 'nistp384', 'nistp521', 'rsa'] as const
  ).map((kind) => [kind, newKeyPair(kind)]);
  const kinds = [
    ['user', user],
    ['host', host],
  ] as const;

  test.each(authorities)(
    '[abuse 35] for every type of key, a CA of %s signs what ssh-keygen -s signs',
    (caKind, pair) => {
      const caPath = folder.write(`ca-${caKind}`, pair.file);
      for (const [kind, fields] of kinds) {
        const files = subjects.map(({ type, blob }) =>
          folder.write(`${caKind}-${kind}-${type}.pub`, `${publicKeyLine({ blob })}\n`),
        );
        const theirs = signedBySshKeygen(fields, files, caPath);
        for (const [index, { blob }] of subjects.entries()) {
          const certificate = parseCertificateLine(theirs[index] ?? '');
          verifyCertificateBy(certificate, [pair.blob]);
          const { nonce } = certificate;
          const toBeSigned = encodeToBeSigned({ ...fields, publicKey: blob, nonce, caPublicKey: pair.blob });
          expect(toBeSigned.toString('hex')).toBe(certificate.toBeSigned.toString('hex'));
          // ECDSA draws a number for each signature; the others always give the same.
          if (caKind !== 'ed25519' && caKind !== 'rsa') continue;
          const ours = assembleCertificate(toBeSigned, signWithKey(pair.privateKey, toBeSigned));
          expect(ours.toString('hex')).toBe(certificate.blob.toString('hex'));
        }
      }
    },
  );

  test('[abuse 35] ssh-keygen -L reads ours for every type of key by every type of CA', () => {
    const matrix = kinds.flatMap(([kind, fields]) =>
      subjects.flatMap((subject) =>
        signers.flatMap((authority) => {
          const rsaToo = authority.type === 'ssh-rsa' ? (['rsa-sha2-256'] as const) : [];
          return [undefined, ...rsaToo].map((algorithm) => ({ kind, fields, subject, authority, algorithm }));
        }),
      ),
    );
    const lines = matrix.map(({ fields, subject, authority, algorithm }) => {
      const toBeSigned = encodeToBeSigned({
        ...fields,
        publicKey: subject.blob,
        caPublicKey: authority.blob,
      });
      return certificateLine(assembleCertificate(toBeSigned, authority.sign(toBeSigned, algorithm)));
    });
    const file = folder.write('matrix', lines.map((line) => `${line}\n`).join(''));
    // OpenSSH verifies the CA's signature wherever it reads a certificate.
    const read = sshKeygenOutput(['-L', '-f', file])
      .split('\n')
      .map((line) => line.trim());
    const found = read.flatMap((line, index) =>
      line.startsWith('Type: ') ? [[line, read[index + 1], read[index + 2], read[index + 4]].join('\n')] : [],
    );
    expect(found).toEqual(
      matrix.map(({ kind, fields, subject, authority, algorithm }) =>
        [
          `Type: ${certificateTypeOf(subject.type)} ${kind} certificate`,
          `Public key: ${keyTypes[subject.type].label}-CERT ${fingerprint(subject.blob)}`,
          `Signing CA: ${keyTypes[authority.type].label} ${fingerprint(authority.blob)} ` +
            `(using ${algorithm ?? signatureAlgorithmOf(authority.blob)})`,
          `Serial: ${fields.serial}`,
        ].join('\n'),
      ),
    );
  });

  test('what we never issue is read from ssh-keygen -s: no serial, no end, no principals, a command', () => {
    const { file } = newSubject('foreign');
    const options = [
      'force-command=/bin/echo hi; id',
      'source-address=0.0.0.0/0',
      'verify-required',
      'no-touch-required',
    ];
    sshKeygenOutput([
      ...['-q', '-s', caFile, '-I', 'Alice "root" Müller'],
      ...[...options, 'extension:x@example.org=1', 'critical:y@example.org'].flatMap((option) => [
        '-O',
        option,
      ]),
      file,
    ]);
    const certificate = parseCertificateLine(readFileSync(file.replace(/\.pub$/, '-cert.pub'), 'utf8'));
    verifyCertificateBy(certificate, [ca.publicKeyBlob]);
    expect(certificate).toMatchObject({
      serial: 0n,
      principals: [],
      validAfter: 0n,
      validBefore: 2n ** 64n - 1n,
      keyId: 'Alice "root" Müller',
      criticalOptions: [
        { name: 'force-command', value: '/bin/echo hi; id' },
        { name: 'source-address', value: '0.0.0.0/0' },
        { name: 'verify-required', value: '' },
        { name: 'y@example.org', value: '' },
      ],
    });
    expect(certificate.extensions).toContainEqual({ name: 'x@example.org', value: '1' });
    expect(certificate.extensions).toContainEqual({ name: 'no-touch-required', value: '' });
  });

  test('RSA with SHA-1, which ssh-keygen -s still signs with when told to, is refused by name', () => {
    const { file } = newSubject('sha1');
    const rsaCa = folder.write('sha1-ca', newKeyPair('rsa').file);
    sshKeygenOutput(['-q', '-s', rsaCa, '-t', 'ssh-rsa', '-I', 'x', '-n', 'alice', file]);
    const line = readFileSync(file.replace(/\.pub$/, '-cert.pub'), 'utf8');
    expect(() => parseCertificateLine(line)).toThrow(
      expect.objectContaining({ code: 'signature_invalid', message: expect.stringContaining('SHA-1') }),
    );
  });

  test('[abuse 36] what ssh-keygen -s makes is not taken for a public key', () => {
    const [line = ''] = signedBySshKeygen(user, [newSubject('not-a-key').file]);
    expect(() => parsePublicKeyLine(line)).toThrow(expect.objectContaining({ code: 'key_is_certificate' }));
  });
});
