/**
 * A real sshd and a real ssh: logins with certificates of ours for a key of each type by a CA of each type, while the
 * machine shows host certificates of each type. Logging in with a security key needs a security key, or a library that
 * plays one; that OpenSSH reads and verifies certificates for them is in certificate.test.ts. As CAs they are here.
 */
import { spawn } from 'node:child_process';
import { sign } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LocalSshd, startLocalSshd } from '../../src/dev/local-sshd.ts';
import { isProgram } from '../../src/gateway/programs.ts';
import { type CertificateFields, certificateTypeOf } from '../../src/ssh/certificate.ts';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { certAuthorityLine } from '../../src/ssh/known-hosts.ts';
import { checkPublicKeyBlob, publicKeyLine } from '../../src/ssh/public-key.ts';
import { WireWriter } from '../../src/ssh/wire.ts';
import { freePort } from '../gateway/ssh-client.ts';
import { keysOfEveryType, type TypedKey } from '../ssh/sample-keys.ts';
import { type KeyKind, newKeyPair, type SampleKeyPair } from './sample-keys.ts';
import { temporaryFolder } from './ssh-keygen.ts';

const canRun = ['/usr/bin/ssh', '/usr/sbin/sshd'].every(isProgram);
const keyKinds: readonly KeyKind[] = ['ed25519', 'nistp256', 'nistp384', 'nistp521', 'rsa'];
const now = BigInt(Math.floor(Date.now() / 1000));
const login = userInfo().username;

const user = {
  kind: 'user',
  nonce: Buffer.alloc(32, 7),
  serial: 1n,
  keyId: 'alice@example.org/01ab',
  principals: ['alice@example.org'],
  validAfter: now - 60n,
  validBefore: now + 3600n,
  criticalOptions: [{ name: 'source-address', value: '127.0.0.0/8' }],
  extensions: [],
} satisfies Omit<CertificateFields, 'publicKey' | 'caPublicKey'>;

const host = {
  ...user,
  kind: 'host',
  keyId: 'host/web',
  principals: ['web.sallyport'],
  criticalOptions: [],
} satisfies Omit<CertificateFields, 'publicKey' | 'caPublicKey'>;

describe.skipIf(!canRun)('certificates and sshd (needs openssh-client, openssh-server)', () => {
  const folder = temporaryFolder();
  const authorities = keysOfEveryType();
  const people = keyKinds.map((kind) => ({ kind, pair: newKeyPair(kind) }));
  // sshd has room for one host key of each kind; each gets its certificate from a CA of another type.
  const machines = keyKinds.map((kind, index) => ({
    pair: newKeyPair(kind),
    ca: authorities[(index + 3) % authorities.length] as TypedKey,
  }));
  let port = 0;
  let sshd: LocalSshd | undefined;

  beforeAll(async () => {
    port = await freePort();
    const lines = (items: readonly string[]) => items.map((item) => `${item}\n`).join('');
    const hostKeys = machines.flatMap(({ pair, ca }, index) => {
      const certificate = certify(host, pair.blob, ca);
      return [
        `HostKey ${folder.write(`host${index}`, pair.file)}`,
        `HostCertificate ${folder.write(`host${index}-cert.pub`, `${certificateLine(certificate)}\n`)}`,
      ];
    });
    folder.write(
      'known_hosts',
      lines(authorities.map((ca) => certAuthorityLine(['*.sallyport'], ca, 'test CA'))),
    );
    const configuration = [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      ...hostKeys,
      `TrustedUserCAKeys ${folder.write('authorities', lines(authorities.map((ca) => publicKeyLine(ca))))}`,
      `AuthorizedPrincipalsFile ${folder.write('principals', 'alice@example.org\n')}`,
      'AuthorizedKeysFile none',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'UsePAM no',
      // The folder's parent is everybody's temporary folder.
      'StrictModes no',
      'ExposeAuthInfo yes',
      'MaxStartups 100',
      'PidFile none',
    ];
    // As root sshd wants a folder under /run that a machine without the service may lack.
    const isBare = process.getuid?.() === 0 && !existsSync('/run/sshd');
    sshd = await startLocalSshd({
      folder: folder.path('sshd'),
      sshd: '/usr/sbin/sshd',
      address: '127.0.0.1',
      port,
      configuration: lines(configuration),
      ...(isBare ? { namespace: { binds: [] } } : {}),
    });
  });

  afterAll(() => sshd?.stop());

  let files = 0;

  /** What the person sees who logs in with this certificate; undefined if sshd does not let them in. */
  async function logIn(
    pair: SampleKeyPair,
    certificate: Buffer,
    options: readonly string[] = [],
  ): Promise<string | undefined> {
    files += 1;
    const key = folder.write(`id${files}`, pair.file);
    const certificateFile = folder.write(`id${files}-cert.pub`, `${certificateLine(certificate)}\n`);
    // ssh takes the first of two.
    const settings = [
      ...options,
      `UserKnownHostsFile=${folder.path('known_hosts')}`,
      'GlobalKnownHostsFile=none',
      'StrictHostKeyChecking=yes',
      'HostKeyAlias=web.sallyport',
      'BatchMode=yes',
      'IdentitiesOnly=yes',
      'IdentityAgent=none',
      'PreferredAuthentications=publickey',
      `CertificateFile=${certificateFile}`,
    ];
    const child = spawn('ssh', [
      ...['-F', '/dev/null', '-p', `${port}`, '-i', key, '-l', login],
      ...settings.flatMap((setting) => ['-o', setting]),
      ...['127.0.0.1', 'cat "$SSH_USER_AUTH"'],
    ]);
    let output = '';
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
    });
    child.stderr.resume();
    child.stdin.end();
    const status = await new Promise((resolve) => child.once('close', resolve));
    return status === 0 ? output : undefined;
  }

  test.each(authorities.map((ca) => [ca.type, ca] as const))(
    'a CA of type %s lets in people with a key of every type',
    async (_, ca) => {
      const certificates = people.map(({ pair }) => certify(user, pair.blob, ca));
      const shown = await Promise.all(
        people.map(({ pair }, index) => logIn(pair, certificates[index] as Buffer)),
      );
      expect(shown).toEqual(certificates.map((certificate) => `publickey ${certificateLine(certificate)}\n`));
    },
  );

  test('ssh knows the machine by its certificate for a host key of every type', async () => {
    const [{ pair }] = people as [(typeof people)[number]];
    const certificate = certify(user, pair.blob, authorities[0] as TypedKey);
    const known = await Promise.all(
      machines.map((machine) => {
        const type = certificateTypeOf(checkPublicKeyBlob(machine.pair.blob));
        const algorithm = type.startsWith('ssh-rsa') ? 'rsa-sha2-512-cert-v01@openssh.com' : type;
        return logIn(pair, certificate, [`HostKeyAlgorithms=${algorithm}`]);
      }),
    );
    expect(known).toEqual(machines.map(() => `publickey ${certificateLine(certificate)}\n`));
    expect(await logIn(pair, certificate, ['HostKeyAlias=other.sallyport'])).toBeUndefined();
  });

  test('sshd refuses who is somebody else, late, from elsewhere, or certified by a stranger or with SHA-1', async () => {
    const [{ pair }] = people as [(typeof people)[number]];
    const [ca] = authorities as [TypedKey];
    const [stranger] = keysOfEveryType() as [TypedKey];
    const rsa = authorities.find(({ type }) => type === 'ssh-rsa') as TypedKey;
    const from = { name: 'source-address', value: '192.0.2.1' };
    const unknown = { name: 'unknown@example.org', value: '' };
    const attempts: readonly (readonly [certificate: Buffer, logged: string])[] = [
      [
        certify({ ...user, principals: ['bob@example.org'] }, pair.blob, ca),
        'does not contain an authorized principal',
      ],
      [inUpperCase(pair.blob, ca), 'does not contain an authorized principal'],
      [certify({ ...user, validBefore: now - 1n }, pair.blob, ca), 'Certificate invalid: expired'],
      [certify({ ...user, validAfter: now + 600n }, pair.blob, ca), 'Certificate invalid: not yet valid'],
      [certify({ ...user, criticalOptions: [from] }, pair.blob, ca), 'not from a permitted source address'],
      [
        certify({ ...user, criticalOptions: [unknown] }, pair.blob, ca),
        'critical option "unknown@example.org" is not supported',
      ],
      [signedWithSha1(pair.blob, rsa), 'signature algorithm ssh-rsa: signature algorithm not supported'],
      // Of a CA that it has never heard of sshd says nothing.
      [certify(user, pair.blob, stranger), ''],
    ];
    const shown = await Promise.all(attempts.map(([certificate]) => logIn(pair, certificate)));
    expect(shown).toEqual(attempts.map(() => undefined));
    const log = await readFile(sshd?.logFile ?? '', 'utf8');
    for (const [, logged] of attempts) expect(log).toContain(logged);
    // The same person, the same key: nothing but the certificates was wrong.
    expect(await logIn(pair, certify(user, pair.blob, ca))).toContain('publickey');
  });
});

function certify(
  fields: Omit<CertificateFields, 'publicKey' | 'caPublicKey'>,
  publicKey: Buffer,
  ca: TypedKey,
): Buffer {
  const toBeSigned = encodeToBeSigned({ ...fields, publicKey, caPublicKey: ca.blob });
  return assembleCertificate(toBeSigned, ca.sign(toBeSigned));
}

/** sshd compares principals by their bytes; our encoder has no upper case, so it is put in behind its back. */
function inUpperCase(publicKey: Buffer, ca: TypedKey): Buffer {
  const toBeSigned = encodeToBeSigned({ ...user, publicKey, caPublicKey: ca.blob });
  const at = toBeSigned.lastIndexOf('alice@example.org');
  toBeSigned.write('Alice', at);
  return assembleCertificate(toBeSigned, ca.sign(toBeSigned));
}

function signedWithSha1(publicKey: Buffer, rsa: TypedKey): Buffer {
  const toBeSigned = encodeToBeSigned({ ...user, publicKey, caPublicKey: rsa.blob });
  const signature = new WireWriter()
    .string('ssh-rsa')
    .string(sign('sha1', toBeSigned, rsa.privateKey))
    .bytes();
  return new WireWriter().raw(toBeSigned).string(signature).bytes();
}
