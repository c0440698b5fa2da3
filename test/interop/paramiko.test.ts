import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isProgram } from '../../src/gateway/programs.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { CertifiedPeople, type CertifiedPerson, howISignedIn } from './certified-people.ts';
import { askPython, hasPythonModule } from './python.ts';
import { temporaryFolder } from './ssh-keygen.ts';

const canRun = hasPythonModule('paramiko') && isProgram('/usr/sbin/sshd');

interface Answer {
  /** The key that paramiko found in the certificate. */
  readonly subject: string;
  readonly stdout?: string;
  readonly refused?: string;
}

describe.skipIf(!canRun)('certificates and paramiko (needs python3-paramiko, openssh-server)', () => {
  const world = new CertifiedPeople(temporaryFolder());
  const everybody = [...world.people, ...Object.values(world.refused)];
  const answers = new Map<CertifiedPerson, Answer>();

  beforeAll(async () => {
    await world.startSshd();
    const found = await askPython<Answer[]>('log-in-with-paramiko.py', {
      port: world.port,
      login: world.login,
      // paramiko knows no host certificates, so it is given the host's key.
      hostKey: publicKeyLine({ blob: world.host.blob }),
      command: howISignedIn,
      people: everybody.map(({ kind, keyFile, certificateFile }) => ({ kind, keyFile, certificateFile })),
    });
    for (const [index, person] of everybody.entries()) answers.set(person, found[index] as Answer);
  });
  afterAll(() => world.stop());

  test.each(world.people.map((person) => [person.kind, person] as const))(
    'paramiko logs in with our certificate for a key of %s',
    (_, person) => {
      expect(answers.get(person)).toEqual({
        stdout: person.signedIn,
        subject: person.key.blob.toString('base64'),
      });
    },
  );

  test.each(Object.entries(world.refused))('paramiko does not get in with a certificate %s', (_, person) => {
    expect(answers.get(person)).toMatchObject({ refused: 'AuthenticationException' });
  });
});
