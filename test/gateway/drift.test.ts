/** What becomes of an installed configuration when somebody changes the machine's files: sshd is asked, and all is told. */
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { checkDrift } from '../../src/gateway/check-drift.ts';
import { createCompanion } from '../../src/gateway/companion.ts';
import { companionStatus } from '../../src/gateway/companion-status.ts';
import { requireEnrolment } from '../../src/gateway/enrolment.ts';
import { install } from '../../src/gateway/install.ts';
import { readInstallation } from '../../src/gateway/installation.ts';
import type { LogEntry } from '../../src/gateway/log.ts';
import { type Machine, pathsOf } from '../../src/gateway/machine.ts';
import { installationFile, sshdFilesOf } from '../../src/gateway/machine-sshd.ts';
import { findPrograms, type Programs } from '../../src/gateway/programs.ts';
import type { SshdFiles } from '../../src/gateway/sshd-files.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { checkingSshd } from './checking-sshd.ts';
import { TestAuthority } from './test-authority.ts';
import { hasSshd, web } from './test-world.ts';

const authority = new TestAuthority();
let folder: string;
let ssh: string;
let machine: Machine;
let programs: Programs;
let main: string;
let dropIn: string;

beforeAll(async () => {
  if (!hasSshd) return;
  await authority.start();
  authority.targets = [web];
  folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
  ssh = join(folder, 'ssh');
  await mkdir(join(ssh, 'sshd_config.d'), { recursive: true });
  machine = {
    sshdConfiguration: join(ssh, 'sshd_config'),
    dropIn: join(ssh, 'sshd_config.d/00-sallyport.conf'),
    sshdPidFile: join(folder, 'sshd.pid'),
    hostKeyFolder: ssh,
    nsswitch: join(folder, 'nsswitch.conf'),
    extrausers: join(folder, 'extrausers'),
    emptyHome: join(folder, 'empty'),
    stateFolder: join(folder, 'state'),
    runFolder: join(folder, 'run'),
    programFolder: join(folder, 'programs'),
    principalsUser: 'daemon',
  };
  main = `Include ${ssh}/sshd_config.d/*.conf\nUsePAM no\n`;
  await writeFile(machine.sshdConfiguration, main);
  await writeFile(join(ssh, 'ssh_host_ed25519_key'), generateEd25519().openssh('machine'), { mode: 0o600 });
  programs = { ...findPrograms(), sshd: await checkingSshd(folder) };
  await installAgain(false);
  dropIn = await readFile(machine.dropIn, 'utf8');
});
afterEach(async () => {
  if (!hasSshd) return;
  await writeFile(machine.sshdConfiguration, main);
  await writeFile(machine.dropIn, dropIn);
  await rm(join(ssh, 'sshd_config.d/50-other.conf'), { force: true });
});
afterAll(async () => {
  if (!hasSshd) return;
  await authority.stop();
  await rm(folder, { recursive: true, force: true });
});

async function installAgain(acceptExceptions: boolean): Promise<void> {
  await install({
    kind: 'host',
    machine,
    programs,
    serverUrl: authority.url,
    token: async () => authority.token('host', 'host'),
    keepAuthorizedKeys: false,
    penaltyExemptions: [],
    acceptExceptions,
    clock: () => new Date(),
    log: () => {},
    tell: () => {},
  });
}

async function filesNow(): Promise<SshdFiles> {
  const enrolment = await requireEnrolment(pathsOf(machine).enrolment);
  const settings = (await readInstallation(installationFile(machine)))?.settings;
  if (settings === undefined) throw new Error('not installed');
  return await sshdFilesOf(machine, programs, enrolment, settings);
}

const found = async () => (await checkDrift(await filesNow(), ['app'])).join('\n');
const before = (lines: string) => writeFile(machine.sshdConfiguration, `${lines}\n${main}`);
const behind = (lines: string) => appendFile(machine.sshdConfiguration, `${lines}\n`);

describe.skipIf(!hasSshd)("drift of sshd's configuration (needs openssh-server and curl)", () => {
  test('[abuse 115] there is none after the installation', async () => {
    expect(await found()).toBe('');
  });

  test('[abuse 115] lines before ours, which then count instead, are told, each', async () => {
    const lines = [
      ['RevokedKeys none', 'RevokedKeys is none'],
      ['TrustedUserCAKeys /etc/foreign.pub', 'TrustedUserCAKeys is /etc/foreign.pub'],
      ['AuthorizedKeysFile .ssh/authorized_keys', 'AuthorizedKeysFile is .ssh/authorized_keys'],
      ['PasswordAuthentication yes', 'PasswordAuthentication is yes'],
      ['KbdInteractiveAuthentication yes', 'KbdInteractiveAuthentication is yes'],
      ['HostbasedAuthentication yes', 'HostbasedAuthentication is yes'],
      ['AuthenticationMethods any', 'AuthenticationMethods is any'],
      ['AuthorizedPrincipalsFile /etc/principals', 'AuthorizedPrincipalsFile is /etc/principals'],
      ['PermitRootLogin yes', 'PermitRootLogin is yes'],
      ['AllowTcpForwarding yes', 'AllowTcpForwarding is yes'],
      ['PermitUserEnvironment yes', 'PermitUserEnvironment is yes'],
      ['ForceCommand /bin/bash', 'ForceCommand is /bin/bash'],
      ['HostCertificate /etc/foreign-cert.pub', 'HostCertificate is also /etc/foreign-cert.pub'],
    ] as const;
    await before(lines.map(([line]) => line).join('\n'));
    expect((await found()).split('\n')).toEqual(expect.arrayContaining(lines.map(([, told]) => told)));
  });

  test('[abuse 115] commands that ask somebody else than the companion are told', async () => {
    await before('AuthorizedKeysCommand /bin/echo x\nAuthorizedKeysCommandUser root');
    expect(await found()).toContain('AuthorizedKeysCommand is /bin/echo x');
    await writeFile(machine.sshdConfiguration, main);
    await writeFile(
      machine.dropIn,
      dropIn.replace(/^AuthorizedPrincipalsCommand .*$/m, 'AuthorizedPrincipalsCommand /bin/echo root'),
    );
    const text = await found();
    expect(text).toContain('AuthorizedPrincipalsCommand is /bin/echo root');
    expect(text).toContain(`${machine.dropIn} was changed`);
  });

  test('[abuse 115] Match blocks are told, with those for whom they match and without', async () => {
    const blocks = [
      ['Match User root\n  PasswordAuthentication yes', 'PasswordAuthentication is yes for root from'],
      ['Match Address 127.0.0.0/8\n  AuthorizedKeysFile .ssh/k', 'AuthorizedKeysFile is .ssh/k for'],
      ['Match Host *.internal\n  TrustedUserCAKeys none', 'TrustedUserCAKeys'],
      [
        'Match Group nobody-is-in-this\n  HostbasedAuthentication yes\n  ForceCommand /bin/sh',
        'ForceCommand',
      ],
    ] as const;
    await behind(blocks.map(([block]) => block).join('\n'));
    const text = await found();
    for (const [, told] of blocks) expect(text).toContain(told);
    expect(text).toContain(`a Match block of ${machine.sshdConfiguration} overrules`);
  });

  test('[abuse 115] a Match block for everybody is told', async () => {
    await behind('Match all\n  RevokedKeys none');
    expect((await found()).split('\n')).toContain('RevokedKeys is none');
  });

  test('[abuse 115] a Match block of another file that sshd includes is told with its path', async () => {
    const path = join(ssh, 'sshd_config.d/50-other.conf');
    await writeFile(path, 'Match User somebody-else\n  PasswordAuthentication yes\n');
    expect(await found()).toBe(`a Match block of ${path} overrules PasswordAuthentication`);
  });

  test('a Match block that says the same as ours is nothing to tell', async () => {
    await behind('Match User backup\n  PasswordAuthentication no\n  X11Forwarding no');
    expect(await found()).toBe('');
  });

  test('[abuse 115] our file is missed, and a configuration that sshd refuses is told', async () => {
    await behind('NoSuchKeyword yes');
    expect(await found()).toMatch(/^sshd refuses its configuration: .*NoSuchKeyword/);
    await rm(machine.dropIn);
    expect(await found()).toBe(`${machine.dropIn} is gone`);
  });

  test('an exception that was accepted at the installation is not told, another one is', async () => {
    await behind('Match User backup\n  PasswordAuthentication yes');
    await installAgain(true);
    expect(await found()).toBe('');
    await behind('Match User other\n  RevokedKeys none');
    expect(await found()).toContain('overrules PasswordAuthentication, RevokedKeys');
    await writeFile(machine.sshdConfiguration, main);
    await installAgain(false);
  });

  test('[abuse 115] the CA hears of it, the log and the status tell it, until it is put right', async () => {
    const enrolment = await requireEnrolment(pathsOf(machine).enrolment);
    const logged: LogEntry[] = [];
    const companion = createCompanion({
      paths: pathsOf(machine, enrolment),
      enrolment,
      programs,
      sshdPidFile: machine.sshdPidFile,
      sshdFiles: await filesNow(),
      clock: () => new Date(),
      log: (entry) => logged.push(entry),
      intervals: { processesMilliseconds: 50, filesMilliseconds: 1_000, driftMilliseconds: 600_000 },
    });
    await companion.start();
    await companion.ready;
    await companion.checkSshd();
    expect(companion.status().problem).not.toContain('not as installed');
    await behind('Match User root\n  RevokedKeys none');
    await companion.checkSshd();
    const told = await authority.waitForAcknowledgement(({ problem }) => problem !== null);
    expect(told.problem).toContain("sshd's configuration is not as installed: RevokedKeys is none for root");
    expect(logged.filter(({ event }) => event === 'sshd.drift').at(-1)?.level).toBe('error');
    const { lines, good } = await companionStatus(machine, programs);
    expect(good).toBe(false);
    expect(lines.find((line) => line.startsWith('Configuration: '))).toContain(
      'RevokedKeys is none for root',
    );
    await writeFile(machine.sshdConfiguration, main);
    authority.acknowledgements.length = 0;
    await companion.checkSshd();
    await authority.waitForAcknowledgement(({ problem }) => problem === null);
    expect((await companionStatus(machine, programs)).lines).toContain('Configuration: as installed');
    await companion.stop();
  });
});
