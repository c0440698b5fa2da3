import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isProgram } from '../../src/gateway/programs.ts';
import { runProgram } from '../../src/gateway/run-program.ts';
import { certificateTypeOf } from '../../src/ssh/certificate.ts';
import { checkPublicKeyBlob, fingerprint } from '../../src/ssh/public-key.ts';
import {
  account,
  CertifiedPeople,
  type CertifiedPerson,
  howISignedIn,
  userFields,
} from './certified-people.ts';
import { newKeyPair } from './sample-keys.ts';
import { temporaryFolder } from './ssh-keygen.ts';

const puttygen = '/usr/bin/puttygen';
const plink = '/usr/bin/plink';
const canRun = [puttygen, plink, '/usr/sbin/sshd'].every(isProgram);

describe.skipIf(!canRun)('certificates and PuTTY (needs putty-tools, openssh-server)', () => {
  const folder = temporaryFolder();
  const world = new CertifiedPeople(folder);

  beforeAll(() => world.startSshd());
  afterAll(() => world.stop());

  /** PuTTY's own key file, which holds the certificate, too. */
  async function puttyFile({ keyFile, certificateFile }: CertifiedPerson): Promise<string> {
    const [bare, certified] = [`${keyFile}.ppk`, `${keyFile}-cert.ppk`];
    await succeed(puttygen, [keyFile, '-O', 'private', '-o', bare]);
    await succeed(puttygen, [bare, '--certificate', certificateFile, '-O', 'private', '-o', certified]);
    return certified;
  }

  /** Settings of somebody who trusts this CA, and nothing else, for the hosts of this test. */
  function trusting(caBlob: Buffer): string {
    const settings = folder.path(`putty-${fingerprint(caBlob).slice(7).replaceAll('/', '_')}`);
    const lines = [
      `PublicKey=${caBlob.toString('base64')}`,
      'Validity=127.0.0.1 || localhost',
      'PermitRSASHA1=0',
      'PermitRSASHA256=1',
      'PermitRSASHA512=1',
    ];
    mkdirSync(`${settings}/sshhostcas`, { recursive: true, mode: 0o700 });
    folder.write(`${settings.split('/').at(-1)}/sshhostcas/ours`, lines.map((line) => `${line}\n`).join(''));
    return settings;
  }

  function run(keyArguments: string[], { trusted = world.hostCa.blob, host = '127.0.0.1' } = {}) {
    const where = ['-P', `${world.port}`, '-l', world.login, host, howISignedIn];
    return spawnSync(plink, ['-batch', '-noagent', '-noshare', '-4', ...keyArguments, ...where], {
      env: { PUTTYDIR: trusting(trusted), HOME: folder.path('nobody'), LC_ALL: 'C' },
      encoding: 'utf8',
      input: '',
    });
  }

  test.each(world.people.map((person) => [person.kind, person] as const))(
    'puttygen reads our certificate for a key of %s',
    async (_, person) => {
      const { key, ca, certificate } = person;
      const lines = await succeed(puttygen, ['--cert-info', await puttyFile(person)]);
      expect(lines.trim().split('\n')).toEqual([
        'Certificate type: user authentication key',
        `Valid user names: ${account},mfa:${account}`,
        `Validity period: ${utc(userFields.validAfter)} - ${utc(userFields.validBefore)}`,
        'Permitted client IP addresses: 127.0.0.0/8,::1',
        'X11 forwarding permitted: no',
        'Agent forwarding permitted: no',
        'Port forwarding permitted: no',
        'Running user ~/.ssh.rc permitted: no',
        `Certificate ID string: ${userFields.keyId}`,
        `Certificate serial number: ${userFields.serial}`,
        expect.stringMatching(`^Fingerprint of signing CA key: .* ${inPattern(fingerprint(ca.blob))}$`),
        expect.stringMatching(
          `^Fingerprint including certificate: ${certificateTypeOf(checkPublicKeyBlob(key.blob))} .* ` +
            `${inPattern(fingerprint(certificate))}$`,
        ),
      ]);
    },
  );

  test.each(world.people.map((person) => [person.kind, person] as const))(
    'plink logs in with our certificate for a key of %s, and believes our host certificate',
    async (_, person) => {
      const { stdout, stderr, status } = run(['-i', await puttyFile(person)]);
      expect({ stdout, status, stderr }).toEqual({ stdout: person.signedIn, status: 0, stderr: '' });
    },
  );

  test('plink takes the certificate from a file of its own, too', async () => {
    const [person] = world.people as [CertifiedPerson];
    await puttyFile(person);
    const { stdout } = run(['-i', `${person.keyFile}.ppk`, '-cert', person.certificateFile]);
    expect(stdout).toBe(person.signedIn);
  });

  test.each(Object.entries(world.refused))(
    'plink does not get in with a certificate %s',
    async (_, person) => {
      const { stdout, stderr, status } = run(['-i', await puttyFile(person)]);
      expect({ stdout, status }).toEqual({ stdout: '', status: 1 });
      expect(stderr).toContain('No supported authentication methods available');
    },
  );

  test.each([
    ['by a CA that it does not trust', { trusted: newKeyPair('ed25519').blob }],
    ['for another name', { host: 'localhost' }],
  ])('plink refuses a host certificate of ours %s', async (_, options) => {
    const [person] = world.people as [CertifiedPerson];
    const { stdout, stderr, status } = run(['-i', await puttyFile(person)], options);
    expect({ stdout, status }).toEqual({ stdout: '', status: 1 });
    expect(stderr).toContain('Cannot confirm a host key');
  });
});

async function succeed(program: string, args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await runProgram(program, args);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

function utc(seconds: bigint): string {
  return new Date(Number(seconds) * 1000).toISOString().replace('T', ' ').replace('.000Z', ' UTC');
}

function inPattern(text: string): string {
  return text.replaceAll('+', '\\+');
}
