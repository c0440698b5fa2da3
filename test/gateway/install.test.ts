import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { codePaths } from '../../src/gateway/code-paths.ts';
import { companionStatus } from '../../src/gateway/companion-status.ts';
import { type InstallOptions, install } from '../../src/gateway/install.ts';
import { type Machine, pathsOf } from '../../src/gateway/machine.ts';
import { installOwnProgram } from '../../src/gateway/own-program.ts';
import { lockFile } from '../../src/gateway/paths.ts';
import { findPrograms, isProgram, type Programs } from '../../src/gateway/programs.ts';
import { runProgram } from '../../src/gateway/run-program.ts';
import { uninstall } from '../../src/gateway/uninstall.ts';
import { serveUnixSocket } from '../../src/gateway/unix-socket-server.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { checkingSshd } from './checking-sshd.ts';
import { TestAuthority } from './test-authority.ts';
import { hasNames, hasSshd, web } from './test-world.ts';

const canTrace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;
const authority = new TestAuthority();
let folder: string;
let machine: Machine;
let programs: Programs;
let told: string[];

const nsswitch = '# names\npasswd:         files systemd\ngroup: files\nshadow: files\nhosts: files dns\n';
let mainConfiguration: string;

beforeAll(async () => {
  await authority.start();
  authority.targets = [web];
});
afterAll(() => authority.stop());

beforeEach(async () => {
  if (!hasSshd) return;
  folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
  told = [];
  const ssh = join(folder, 'ssh');
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
  mainConfiguration = `Include ${ssh}/sshd_config.d/*.conf\nPasswordAuthentication yes\nUsePAM yes\nSubsystem sftp internal-sftp\n`;
  await writeFile(machine.sshdConfiguration, mainConfiguration);
  await writeFile(machine.nsswitch, nsswitch);
  await writeFile(join(ssh, 'ssh_host_ed25519_key'), generateEd25519().openssh('machine'), { mode: 0o600 });
  programs = { ...findPrograms(), sshd: await checkingSshd(folder) };
});
afterEach(async () => {
  if (hasSshd) await rm(folder, { recursive: true, force: true });
});

function options(kind: 'gateway' | 'host', changes: Partial<InstallOptions> = {}): InstallOptions {
  return {
    kind,
    machine,
    programs,
    serverUrl: authority.url,
    token: async () => authority.token(kind, kind),
    keepAuthorizedKeys: false,
    penaltyExemptions: [],
    clock: () => new Date(),
    log: () => {},
    tell: (line) => told.push(line),
    ...changes,
  };
}

/** What this sshd makes of two lines of one keyword. */
async function probe(second: string): Promise<string> {
  const path = join(folder, 'probe');
  const key = `HostKey ${machine.hostKeyFolder}/ssh_host_ed25519_key\n`;
  await writeFile(path, `${key}AuthorizedPrincipalsCommand /bin/true\n${second}`);
  return path;
}

async function effective(): Promise<Map<string, string>> {
  const { stdout } = await runProgram(programs.sshd, ['-T', '-f', machine.sshdConfiguration]);
  return new Map(
    stdout
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  );
}

describe.skipIf(!hasSshd)('installing a host (needs openssh-server and curl)', () => {
  test('sshd takes every line of the drop-in before the ones of the machine', async () => {
    await install(options('host'));
    const found = await effective();
    expect(Object.fromEntries(found)).toMatchObject({
      trustedusercakeys: join(machine.stateFolder, 'user_ca.pub'),
      revokedkeys: join(machine.stateFolder, 'revoked_keys'),
      hostcertificate: join(machine.stateFolder, 'host_key-cert.pub'),
      passwordauthentication: 'no',
      kbdinteractiveauthentication: 'no',
      authorizedkeysfile: 'none',
      authorizedprincipalsfile: 'none',
      authorizedprincipalscommanduser: 'daemon',
      authenticationmethods: 'publickey',
      maxstartups: '300:30:600',
      loglevel: 'VERBOSE',
      usepam: 'yes',
    });
    expect(found.get('authorizedprincipalscommand')).toContain(join(machine.runFolder, 'principals.sock'));
  });

  test('clients that know the old host key still find it', async () => {
    await install(options('host'));
    const { stdout } = await runProgram(programs.sshd, ['-T', '-f', machine.sshdConfiguration]);
    expect(stdout).toContain(`hostkey ${machine.hostKeyFolder}/ssh_host_ed25519_key\n`);
  });

  test('it tells every file that it writes, and how to undo it', async () => {
    await install(options('host'));
    expect(told).toContain(`Writes ${machine.dropIn}.`);
    expect(told).toContain('To undo all of this run: sallyport host uninstall');
  });

  test('authorized_keys files stay in force where that is asked for', async () => {
    await install(options('host', { keepAuthorizedKeys: true }));
    expect((await effective()).get('authorizedkeysfile')).toMatch(/^\.ssh\/authorized_keys/);
  });

  test('whoever keeps authorized_keys files lets root in as before, and by its keys no more than before', async () => {
    const closed = `${mainConfiguration}PermitRootLogin no\n`;
    await writeFile(machine.sshdConfiguration, closed);
    await install(options('host', { keepAuthorizedKeys: true }));
    expect((await effective()).get('permitrootlogin')).toBe('no');
  });

  test('the listener for codes ends before anything of it goes', async () => {
    await install(options('host'));
    const program = join(folder, 'codes/sshd');
    await mkdir(join(folder, 'codes'));
    await copyFile('/bin/sleep', program);
    const listener = spawn(program, ['60']);
    const ended = once(listener, 'exit');
    await once(listener, 'spawn');
    await writeFile(codePaths(machine).pidFile, `${listener.pid}\n`);
    await uninstall({ kind: 'host', machine, tell: () => {} });
    expect(await ended).toEqual([null, 'SIGTERM']);
  });

  test('uninstalling leaves the machine as it was', async () => {
    await install(options('host'));
    await uninstall({ kind: 'host', machine, tell: (line) => told.push(line) });
    expect(existsSync(machine.dropIn)).toBe(false);
    expect(existsSync(machine.stateFolder)).toBe(false);
    expect(await readFile(machine.sshdConfiguration, 'utf8')).toBe(mainConfiguration);
  });

  test('a configuration that sshd refuses changes nothing', async () => {
    await writeFile(machine.sshdConfiguration, `${mainConfiguration}NoSuchKeyword yes\n`);
    await expect(install(options('host'))).rejects.toMatchObject({
      code: 'install_failed',
      message: expect.stringContaining('NoSuchKeyword'),
    });
    expect(existsSync(machine.dropIn)).toBe(false);
  });

  test("a machine's own line that would overrule ours changes nothing", async () => {
    const own = 'AuthorizedPrincipalsCommand /bin/echo root\nAuthorizedPrincipalsCommandUser daemon\n';
    await writeFile(machine.sshdConfiguration, mainConfiguration + own);
    // Up to OpenSSH 9.x a later AuthorizedPrincipalsCommand wins unless an AuthorizedKeysCommand stands before it.
    const outcome = install(options('host', { keepAuthorizedKeys: true }));
    const { stdout } = await runProgram(programs.sshd, ['-T', '-f', await probe(own)]);
    if (stdout.includes('authorizedprincipalscommand /bin/echo root\n')) {
      await expect(outcome).rejects.toMatchObject({
        code: 'install_failed',
        message: expect.stringContaining('overrules AuthorizedPrincipalsCommand'),
      });
      expect(existsSync(machine.dropIn)).toBe(false);
    } else await outcome;
  });

  test("lines before the machine's Include, which would leave ours without effect, change nothing", async () => {
    const whole = `RevokedKeys none\nPasswordAuthentication yes\n${mainConfiguration}`;
    await writeFile(machine.sshdConfiguration, whole);
    await expect(install(options('host'))).rejects.toMatchObject({
      code: 'install_failed',
      message: expect.stringContaining('overrules RevokedKeys, PasswordAuthentication.'),
    });
    expect(existsSync(machine.dropIn)).toBe(false);
    expect(await readFile(machine.sshdConfiguration, 'utf8')).toBe(whole);
  });

  test('Match blocks that still let people in otherwise are told', async () => {
    const own = 'Match User backup\n  PasswordAuthentication yes\n  AuthenticationMethods password\n';
    await writeFile(machine.sshdConfiguration, mainConfiguration + own);
    await install(options('host'));
    expect(told).toContain(
      `Attention: a Match block of ${machine.sshdConfiguration} overrules PasswordAuthentication, AuthenticationMethods, for whom it matches. Remove it; or, if it is wanted, accept it: sallyport host install --accept-exceptions`,
    );
  });

  test('after a failure the same enrolment is used again', async () => {
    await writeFile(machine.sshdConfiguration, `${mainConfiguration}NoSuchKeyword yes\n`);
    await expect(install(options('host'))).rejects.toThrow();
    await writeFile(machine.sshdConfiguration, mainConfiguration);
    const token = () => Promise.reject(new Error('asked for a token again'));
    await install(options('host', { token }));
    expect(existsSync(machine.dropIn)).toBe(true);
  });

  test('an installation over an earlier one keeps the enrolment, and undoing it restores what was there at first', async () => {
    await install(options('host'));
    const companion = await readFile(join(machine.stateFolder, 'companion.json'), 'utf8');
    const token = () => Promise.reject(new Error('asked for a token again'));
    await install(options('host', { token, penaltyExemptions: ['10.0.0.0/8'], keepAuthorizedKeys: true }));
    expect(await readFile(join(machine.stateFolder, 'companion.json'), 'utf8')).toBe(companion);
    expect((await effective()).get('authorizedkeysfile')).toMatch(/^\.ssh\/authorized_keys/);
    expect(told.at(-1)).toContain('Restart the companion now');
    await uninstall({ kind: 'host', machine, tell: () => {} });
    expect(existsSync(machine.dropIn)).toBe(false);
    expect(await readFile(machine.sshdConfiguration, 'utf8')).toBe(mainConfiguration);
  });

  test('an installation over an earlier one that sshd refuses leaves the earlier one in force', async () => {
    await install(options('host'));
    const before = await readFile(machine.dropIn, 'utf8');
    const record = await readFile(join(machine.stateFolder, 'installation.json'), 'utf8');
    await writeFile(machine.sshdConfiguration, `${mainConfiguration}NoSuchKeyword yes\n`);
    await expect(install(options('host', { keepAuthorizedKeys: true }))).rejects.toThrow(/NoSuchKeyword/);
    expect(await readFile(machine.dropIn, 'utf8')).toBe(before);
    expect(await readFile(join(machine.stateFolder, 'installation.json'), 'utf8')).toBe(record);
  });

  test('an installation over an earlier one does not replace what somebody wrote into its file', async () => {
    await install(options('host'));
    await writeFile(machine.dropIn, '# mine now\n');
    await expect(install(options('host'))).rejects.toMatchObject({ code: 'file_refused' });
    expect(await readFile(machine.dropIn, 'utf8')).toBe('# mine now\n');
  });

  test('where a compiler is sshd asks with a program of root, which uninstalling removes', async () => {
    await install(options('host'));
    const line = (await effective()).get('authorizedprincipalscommand') ?? '';
    const program = join(machine.programFolder, 'ask');
    expect(line.startsWith(isProgram('/usr/bin/cc') ? `${program} ` : '/bin/sh ')).toBe(true);
    await uninstall({ kind: 'host', machine, tell: () => {} });
    expect(existsSync(program)).toBe(false);
  });

  test('a companion that is one file is kept, replaced by a newer one, and goes with the installation', async () => {
    const file = join(folder, 'downloaded');
    const kept = join(machine.programFolder, 'companion');
    await writeFile(file, 'the first', { mode: 0o700 });
    await install(options('host', { ownProgram: file }));
    expect(told).toContain(`Put this program to ${kept}, from where it is to run.`);
    expect(told).toContain(`To undo all of this run: ${kept} host uninstall`);
    expect(told.at(-1)).toBe(`Now start the companion, and keep it running: ${kept} host run`);
    expect([await readFile(kept, 'utf8'), (await stat(kept)).mode & 0o7777]).toEqual(['the first', 0o755]);
    const { ino } = await stat(kept);
    expect(await installOwnProgram(kept, machine.programFolder)).toBe(kept);
    expect((await stat(kept)).ino).toBe(ino);
    // What somebody else may write, or point elsewhere, is not kept, though it be the one that runs.
    for (const spoil of [
      () => chmod(kept, 0o775),
      async () => process.getuid?.() === 0 && (await chown(kept, 1, 0)),
      () => rename(kept, `${kept}.elsewhere`).then(() => symlink(`${kept}.elsewhere`, kept)),
    ]) {
      await spoil();
      await installOwnProgram(kept, machine.programFolder);
      const { mode, uid } = await lstat(kept);
      expect([await readFile(kept, 'utf8'), mode, uid]).toEqual(['the first', 0o100_755, process.getuid?.()]);
    }
    await rm(`${kept}.elsewhere`);
    await writeFile(file, 'the second');
    const before = (await stat(kept)).ino;
    await installOwnProgram(file, machine.programFolder);
    expect([await readFile(kept, 'utf8'), (await stat(kept)).ino === before]).toEqual(['the second', false]);
    await writeFile(`${kept}.new`, 'what one that was killed has left');
    await uninstall({ kind: 'host', machine, tell: () => {} });
    expect(existsSync(machine.programFolder)).toBe(false);
  });

  test.skipIf(!canTrace)(
    "a companion that is one file is whole after a power cut, and at no moment anybody else's to write (needs strace)",
    async () => {
      const file = join(folder, 'downloaded');
      await writeFile(file, 'a program');
      await chmod(file, 0o777);
      const module = join(import.meta.dirname, '../../src/gateway/own-program.ts');
      const code = `const { installOwnProgram } = await import('${module}'); await installOwnProgram(...process.argv.slice(1));`;
      const log = join(folder, 'strace.log');
      const strace = ['-f', '-y', '-o', log, '-e', 'trace=openat,fsync,chmod,fchmod,fchmodat,rename'];
      const node = [process.execPath, '--input-type=module', '-e', code, file, machine.programFolder];
      await promisify(execFile)('strace', [...strace, ...node]);
      const lines = (await readFile(log, 'utf8'))
        .split('\n')
        .filter((line) => line.includes(machine.programFolder));
      const steps = lines.flatMap((line) => /\d+ +([a-z]+)\(/.exec(line)?.[1] ?? []);
      expect(lines.find((line) => line.includes('O_CREAT'))).toMatch(/companion\.new".*O_EXCL.*, 0700\b/);
      expect(steps).toEqual(['chmod', 'openat', 'fsync', 'chmod', 'rename', 'openat', 'fsync']);
    },
  );

  test('of an installation that failed uninstalling leaves no program, but those of the other kind', async () => {
    const file = join(folder, 'downloaded');
    await writeFile(file, 'a program');
    await writeFile(machine.sshdConfiguration, `${mainConfiguration}NoSuchKeyword yes\n`);
    await expect(install(options('host', { ownProgram: file }))).rejects.toThrow(/NoSuchKeyword/);
    expect(existsSync(machine.dropIn)).toBe(false);
    await uninstall({ kind: 'host', machine, tell: () => {} });
    expect(existsSync(machine.programFolder)).toBe(false);

    await writeFile(machine.sshdConfiguration, mainConfiguration);
    await install(options('host', { ownProgram: file }));
    const other = { ...machine, stateFolder: join(folder, 'other'), runFolder: join(folder, 'other-run') };
    await expect(install(options('gateway', { machine: other }))).rejects.toThrow(/Is this machine a host/);
    await uninstall({ kind: 'gateway', machine: other, tell: () => {} });
    expect(existsSync(join(machine.programFolder, 'companion'))).toBe(true);
  });

  test('where a companion that is one file can not be kept nothing of the machine is changed', async () => {
    const file = join(folder, 'downloaded');
    await writeFile(file, 'a program');
    await mkdir(join(machine.programFolder, 'companion', 'of somebody else'), { recursive: true });
    await expect(install(options('host', { ownProgram: file }))).rejects.toMatchObject({
      code: 'install_failed',
      message: expect.stringContaining('could not be copied to'),
    });
    expect(existsSync(machine.dropIn)).toBe(false);
    expect(existsSync(join(machine.programFolder, 'companion.new'))).toBe(false);
  });

  test('a file that somebody changed is not overwritten by uninstalling', async () => {
    await install(options('host'));
    await writeFile(machine.dropIn, '# mine now\n');
    await expect(uninstall({ kind: 'host', machine, tell: () => {} })).rejects.toMatchObject({
      code: 'file_refused',
      message: expect.stringContaining(machine.dropIn),
    });
    expect(await readFile(machine.dropIn, 'utf8')).toBe('# mine now\n');
    expect(existsSync(machine.stateFolder)).toBe(true);
  });

  test('where one file can’t be undone none is, and where nothing was installed nothing is said to be removed', async () => {
    await install(options('gateway', { machine: { ...machine, principalsUser: 'sallyport-principals' } }));
    const installed = await readFile(machine.nsswitch, 'utf8');
    await writeFile(machine.dropIn, '# mine now\n');
    await expect(uninstall({ kind: 'gateway', machine, tell: () => {} })).rejects.toMatchObject({
      code: 'file_refused',
    });
    expect(await readFile(machine.nsswitch, 'utf8')).toBe(installed);
    await rm(machine.dropIn);
    await uninstall({ kind: 'gateway', machine, tell: () => {} });
    told = [];
    await uninstall({ kind: 'gateway', machine, tell: (line) => told.push(line) });
    expect(told).toEqual(['There is no gateway on this machine.']);
  });

  test('a token for a gateway makes no host', async () => {
    const token = async () => authority.token('gateway', 'gateway');
    await expect(install(options('host', { token }))).rejects.toMatchObject({
      code: 'enrolment_refused',
      message: expect.stringContaining('sallyport gateway install'),
    });
  });

  test('the status tells that the KRL is in force and that the companion does not run', async () => {
    await install(options('host'));
    const before = await companionStatus(machine, programs);
    expect(before.lines).toContain('KRL: in force');
    expect(before.lines).toContain('Companion: does not run. Run: sallyport host run');
    expect(before.good).toBe(false);
    await writeFile(join(machine.stateFolder, 'revoked_keys'), '');
    const after = await companionStatus(machine, programs);
    expect(after.lines.find((line) => line.startsWith('KRL:'))).toMatch(/0 of 1 canaries/);
  });

  test('the status tells that a companion runs; a socket that one left when it was killed is none', async () => {
    await install(options('host'));
    const { principalsSocket } = pathsOf(machine);
    const companionLine = async () =>
      (await companionStatus(machine, programs)).lines.find((line) => line.startsWith('Companion:'));
    const listening = await serveUnixSocket({
      path: principalsSocket,
      mode: 0o600,
      owner: undefined,
      mostConnections: 1,
      routes: { '/principals': () => '' },
      onError: () => {},
    });
    // Renamed, as it is not removed when its listener ends.
    await rename(principalsSocket, `${principalsSocket}.left`);
    await symlink(`${principalsSocket}.left`, principalsSocket);
    expect(await companionLine()).toBe('Companion: runs');
    await listening.close();
    await rename(`${principalsSocket}.left`, principalsSocket);
    expect((await stat(principalsSocket)).isSocket()).toBe(true);
    expect(await companionLine()).toMatch(/^Companion: does not run/);
  });

  test('the status leaves the lock of a companion alone', async () => {
    await install(options('host'));
    // Taking the lock throws where its file is none.
    const lock = lockFile(pathsOf(machine));
    await rm(lock);
    await mkdir(lock);
    await expect(companionStatus(machine, programs)).resolves.toMatchObject({ good: false });
  });
});

describe.skipIf(!hasNames)('installing a gateway (needs root, sshd, curl, libnss-extrausers)', () => {
  test('target names are written, and nsswitch.conf finds them; uninstalling restores its bytes', async () => {
    await install(options('gateway', { machine: { ...machine, principalsUser: 'sallyport-principals' } }));
    expect(await readFile(machine.nsswitch, 'utf8')).toBe(
      '# names\npasswd:         files extrausers systemd\ngroup: files extrausers\nshadow: files extrausers\nhosts: files dns\n',
    );
    expect(await readFile(join(machine.extrausers, 'passwd'), 'utf8')).toContain(
      `${web.targetName}:x:${web.gatewayUid}:${web.gatewayUid}::${machine.emptyHome}:/bin/sh\n`,
    );
    expect((await stat(join(machine.extrausers, 'shadow'))).mode & 0o777).toBe(0o600);
    const found = await effective();
    expect(found.get('allowtcpforwarding')).toBe('local');
    expect(found.get('permittunnel')).toBe('no');
    expect(found.get('allowstreamlocalforwarding')).toBe('no');
    await uninstall({ kind: 'gateway', machine, tell: () => {} });
    expect(await readFile(machine.nsswitch, 'utf8')).toBe(nsswitch);
  });

  test('uninstalling takes our lines out of an nsswitch.conf that somebody changed meanwhile', async () => {
    await install(options('gateway', { machine: { ...machine, principalsUser: 'sallyport-principals' } }));
    const installed = await readFile(machine.nsswitch, 'utf8');
    await writeFile(machine.nsswitch, `# first\n${installed.replace('hosts: files', 'hosts: files mdns')}`);
    await uninstall({ kind: 'gateway', machine, tell: () => {} });
    const expected = `# first\n${nsswitch.replace('hosts: files', 'hosts: files mdns')}`;
    expect(await readFile(machine.nsswitch, 'utf8')).toBe(expected);
    expect(existsSync(machine.stateFolder)).toBe(false);
  });
});

test('a machine without curl is refused by name, with the command to run', () => {
  expect(() => findPrograms((path) => !path.endsWith('/curl'))).toThrow(
    expect.objectContaining({
      code: 'program_missing',
      message: 'curl is missing: apt-get install curl',
    }),
  );
});

test('everything that is missing is named at once', () => {
  expect(() => findPrograms(() => false)).toThrow(
    'sshd and curl and ssh-keygen are missing: apt-get install openssh-server curl openssh-client',
  );
});
