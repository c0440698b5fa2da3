import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isProgram } from '../../src/gateway/programs.ts';
import { assembleCertificate, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { certAuthorityLine } from '../../src/ssh/known-hosts.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { verifyCertificateBy } from '../../src/ssh/verify-certificate.ts';
import { refusalOf } from '../ssh/refusal.ts';
import { account, CertifiedPeople, howISignedIn } from './certified-people.ts';
import { askPython, hasPythonModule } from './python.ts';
import { newKeyPair, type SampleKeyPair } from './sample-keys.ts';
import { temporaryFolder } from './ssh-keygen.ts';

const canRun = hasPythonModule('asyncssh') && isProgram('/usr/sbin/sshd');

interface Answer {
  /** What each saw at the sshd, or why they did not get in. */
  readonly people: Readonly<Record<string, string>>;
  readonly hosts: Readonly<Record<string, string>>;
  readonly visitors: Readonly<Record<string, string>>;
  readonly made: readonly { readonly user: string; readonly host: string }[];
}

describe.skipIf(!canRun)('certificates and asyncssh (needs python3-asyncssh, openssh-server)', () => {
  const folder = temporaryFolder();
  const world = new CertifiedPeople(folder);
  const everybody = [
    ...world.people.map((person) => ({ ...person, name: person.kind })),
    ...Object.entries(world.refused).map(([name, person]) => ({ ...person, name })),
  ];
  const visitors = everybody.map(({ name, keyFile, certificateFile }) => ({
    ...{ name, keyFile, certificateFile },
    user: account,
  }));
  let answer: Answer;

  beforeAll(async () => {
    await world.startSshd();
    const knownHosts = (name: string, ca: SampleKeyPair) =>
      folder.write(name, `${certAuthorityLine(['127.0.0.1', 'localhost'], caOf(ca), 'test')}\n`);
    const authorities = world.people.map(({ ca }) => `cert-authority ${publicKeyLine({ blob: ca.blob })}\n`);
    answer = await askPython<Answer>('try-asyncssh.py', {
      port: world.port,
      login: world.login,
      command: howISignedIn,
      trusting: {
        us: knownHosts('ours', world.hostCa),
        others: knownHosts('others', newKeyPair('ed25519')),
      },
      people: everybody.map(({ name, keyFile, certificateFile }) => ({ name, keyFile, certificateFile })),
      server: {
        host: [folder.path('host'), folder.path('host-cert.pub')],
        authorities: folder.write('asyncssh-authorities', authorities.join('')),
        visitors: [...visitors, { ...visitors[0], name: 'as somebody else', user: 'bob@example.org' }],
      },
      made: world.people.map(({ keyFile }, index) => ({
        subject: keyFile,
        ca: folder.write(`ca-${index}`, world.people[index]?.ca.file ?? ''),
      })),
    });
  });
  afterAll(() => world.stop());

  // With a certificate for an RSA key asyncssh 2.10 offers SHA-1 only, which sshd refuses; its own server takes ours below.
  test.each(
    world.people.filter(({ kind }) => kind !== 'rsa').map((person) => [person.kind, person] as const),
  )(
    'asyncssh logs in with our certificate for a key of %s, and believes our host certificate',
    (kind, person) => {
      expect(answer.people[kind]).toBe(person.signedIn);
    },
  );

  test.each(Object.keys(world.refused))('asyncssh does not get in with a certificate %s', (name) => {
    expect(answer.people[name]).toBe('PermissionDenied');
  });

  test('asyncssh refuses a host certificate of ours for another name, and by a CA that it does not trust', () => {
    expect(answer.hosts).toEqual({
      'for another name': 'HostKeyNotVerifiable',
      'by another CA': 'HostKeyNotVerifiable',
    });
  });

  test("asyncssh's server lets in whom our certificates name, and nobody else", () => {
    const welcome = world.people.map(({ kind }) => [kind, 'welcome']);
    const denied = Object.keys(world.refused).map((name) => [name, 'PermissionDenied']);
    expect(answer.visitors).toEqual({
      ...Object.fromEntries([...welcome, ...denied]),
      'as somebody else': 'PermissionDenied',
    });
  });

  const made = world.people.map((person, index) => ({ person, index }));
  const byRsa = made.filter(({ person }) => person.ca.privateKey.asymmetricKeyType === 'rsa');
  const byOthers = made.filter((one) => !byRsa.includes(one));

  test.each(byOthers.map(({ person, index }) => [person.kind, person, index] as const))(
    'certificates that asyncssh makes for a key of %s are read, verified and written back as they were',
    (_, person, index) => {
      const user = parseCertificateLine(answer.made[index]?.user ?? '');
      const host = parseCertificateLine(answer.made[index]?.host ?? '');
      for (const certificate of [user, host]) {
        verifyCertificateBy(certificate, [person.ca.blob]);
        const again = assembleCertificate(encodeToBeSigned(certificate), certificate.signature);
        expect(again).toEqual(certificate.blob);
      }
      expect(user).toMatchObject({ ...asyncsshUser, publicKey: person.key.blob });
      expect(host).toMatchObject({ ...asyncsshHost, publicKey: person.key.blob });
    },
  );

  test('a certificate that asyncssh signs with an RSA CA is refused: it uses SHA-1', () => {
    const lines = byRsa.flatMap(({ index }) => Object.values(answer.made[index] ?? {}));
    const messages = lines.map((line) => refusalOf(() => parseCertificateLine(line)).message);
    expect(messages).toEqual([expect.stringContaining('SHA-1'), expect.stringContaining('SHA-1')]);
  });
});

/** What try-asyncssh.py puts into its certificates. */
const asyncsshUser = {
  kind: 'user',
  serial: 2n ** 64n - 1n,
  keyId: 'alice@example.org/01ab',
  principals: ['alice@example.org'],
  validAfter: 1_800_000_000n,
  validBefore: 1_800_003_600n,
  criticalOptions: [
    { name: 'force-command', value: 'echo hello' },
    { name: 'source-address', value: '192.0.2.0/24,2001:db8::/32' },
  ],
  extensions: [
    { name: 'permit-X11-forwarding', value: '' },
    { name: 'permit-port-forwarding', value: '' },
    { name: 'permit-pty', value: '' },
    { name: 'permit-user-rc', value: '' },
  ],
};

const asyncsshHost = { kind: 'host', serial: 7n, principals: ['web.example.org'], extensions: [] };

function caOf({ blob }: SampleKeyPair): { type: string; blob: Buffer } {
  return { type: 'ssh-ed25519', blob };
}
