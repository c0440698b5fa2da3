/**
 * One-time codes at a real sshd with PAM, typed by real clients, and taken on to a host. That a code is used up at the
 * server, how it is made and how long it is: test/http/ssh-codes.test.ts; both together: test/netns/codes-and-leases.test.ts.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { json, text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCompanion } from '../../src/gateway/companion.ts';
import { isProgram } from '../../src/gateway/programs.ts';
import { runProgram } from '../../src/gateway/run-program.ts';
import { fingerprint, parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { hasPythonModule } from '../interop/python.ts';
import { CodeWorld } from './code-world.ts';
import { alice, appLogin, carol, hasNames, web } from './test-world.ts';

const world = new CodeWorld();
const alias = `${web.nodeNumber}-${web.gatewayUid}`;
beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  await world.prepareClient();
});
beforeEach(() => {
  world.authority.codeChecks.length = 0;
  world.authority.hops.length = 0;
  world.authority.endedSessions = [];
});
afterEach(() => world.killStarted());
afterAll(() => world.close());

const logIn = async (code: string, command = 'id -un', name: string = web.targetName) =>
  await world.withCode(code, world.atCodes(name, command)).ended;

async function inPython(library: string, code: string, command = 'id -un') {
  const child = spawn('/usr/bin/python3', [join(import.meta.dirname, 'log-in-with-code.py')], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.end(JSON.stringify({ library, port: world.codePort, user: web.targetName, code, command }));
  return await json(child.stdout);
}

describe.skipIf(!hasNames)('a one-time code (needs root, sshd, curl, libnss-extrausers, PAM)', () => {
  test('[seeds 11] is asked for as a password is, and its session goes on to the target', async () => {
    const code = world.code();
    const ran = await world.withCode(code, world.atCodes(web.targetName, 'id -un; exit 3')).ended;
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([3, `${appLogin}\n`, '']);
    expect(world.authority.codeChecks).toEqual([
      { code, target: web.targetName, source_address: '127.0.0.1' },
    ]);
    const [use] = [...world.authority.codeUses.keys()].slice(-1);
    expect(world.authority.hops.map(({ ssh_code_use }) => ssh_code_use)).toEqual([use]);
  });

  test('is good at the target’s numeric alias too, for the target', async () => {
    expect(await logIn(world.code(), 'id -un', alias)).toMatchObject({ status: 0, stdout: `${appLogin}\n` });
    expect(world.authority.codeChecks[0]?.target).toBe(web.targetName);
  });

  test('[seeds 11] is taken from plink', async () => {
    const { hostKey } = world.gateway.machine.paths;
    const key = fingerprint(parsePublicKeyLine(await readFile(`${hostKey}.pub`, 'utf8')).blob);
    const home = join(world.folder, 'putty');
    const plink = (code: string) => {
      const child = spawn(
        '/usr/bin/plink',
        ['-batch', '-noagent', '-noshare', '-ssh', '-P', String(world.codePort), '-hostkey', key].concat(
          ['-pw', code],
          ['-l', web.targetName, '127.0.0.1', 'id -un'],
        ),
        { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: '/usr/bin:/bin', HOME: home } },
      );
      return Promise.all([text(child.stdout), text(child.stderr)]);
    };
    expect(isProgram('/usr/bin/plink')).toBe(true);
    const code = world.code();
    expect((await plink(code))[0]).toBe(`${appLogin}\n`);
    const [out, errors] = await plink(code);
    expect(out).toBe('');
    expect(errors).toMatch(/Access denied|Configured password was not accepted|Unable to authenticate/i);
  });

  test.runIf(hasPythonModule('paramiko'))('[seeds 11] is taken from paramiko, for sftp as well', async () => {
    expect(await inPython('paramiko', world.code())).toEqual({ status: 0, stdout: `${appLogin}\n` });
    expect(await inPython('paramiko', world.code(), 'sftp')).toMatchObject({ status: 0 });
    expect(await inPython('paramiko', 'wrong')).toEqual({ error: 'refused' });
  });

  test.runIf(hasPythonModule('asyncssh'))('[seeds 11] is taken from asyncssh', async () => {
    expect(await inPython('asyncssh', world.code())).toEqual({ status: 0, stdout: `${appLogin}\n` });
    expect(await inPython('asyncssh', 'wrong')).toEqual({ error: 'refused' });
  });

  test('[seeds 11] moves files with sftp, and both protocols of scp', async () => {
    const file = join(world.folder, 'file');
    await writeFile(file, 'words\n');
    const port = ['-P', String(world.codePort)];
    const run = async (program: string, args: readonly string[], input = '') => {
      const child = spawn(program, ['-F', world.configuration, ...port, ...args], {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: world.askingWith(world.code()),
      });
      child.stdin.end(input);
      const [errors] = await Promise.all([text(child.stderr), text(child.stdout)]);
      return errors;
    };
    const at = `${web.targetName}@127.0.0.1`;
    await run('/usr/bin/sftp', [at], `put ${file} one\n`);
    await run('/usr/bin/scp', [file, `${at}:two`]);
    await run('/usr/bin/scp', ['-O', file, `${at}:three`]);
    expect((await logIn(world.code(), 'cat one two three')).stdout).toBe('words\n'.repeat(3));
  });

  test('may be used as often as sessions of one connection begin', async () => {
    const control = join(world.folder, 'control');
    const master = world.withCode(world.code(), world.atCodes(web.targetName, 'echo in; cat'), [
      '-M',
      '-S',
      control,
    ]);
    await master.waitForOutput(/in\n/);
    const again = world.withCode('', world.atCodes(web.targetName, 'id -un'), ['-S', control]);
    expect(await again.ended).toMatchObject({ status: 0, stdout: `${appLogin}\n` });
    expect(world.authority.codeChecks).toHaveLength(1);
    expect(world.authority.hops).toHaveLength(2);
  });
});

describe.skipIf(!hasNames)('nobody gets in', () => {
  const denied = { status: 255, stdout: '' };

  test('with a code that was used, with a wrong one, with none', async () => {
    const code = world.code();
    expect((await logIn(code)).status).toBe(0);
    for (const typed of [code, 'wrong', '', 'x'.repeat(300)])
      expect(await logIn(typed)).toMatchObject(denied);
  });

  test('with a name that is no target, root’s among them, and the server is not even asked', async () => {
    for (const name of ['root', 'nobody', 'ssh', 'shop-production--nothing']) {
      expect(await logIn(world.code(), 'id', name)).toMatchObject(denied);
    }
    expect(world.authority.codeChecks).toEqual([]);
  });

  test('of an account that may see nothing there', async () => {
    const { rules } = world.authority;
    world.authority.rules = rules.filter(
      ({ subject }) => !('account' in subject && subject.account === carol),
    );
    await world.pushed();
    expect(await logIn(world.code({ account: carol }))).toMatchObject(denied);
    world.authority.rules = rules;
    await world.pushed();
  });

  test('with a certificate or a key: the listener knows none', async () => {
    const person = await world.person();
    const args = ['-F', person.configuration, '-v', ...world.atCodes(web.targetName, 'id')];
    const { status, stderr } = await runProgram('/usr/bin/ssh', args);
    expect(status).toBe(255);
    expect(stderr).toContain('Authentications that can continue: keyboard-interactive');
    expect(stderr).not.toContain('Offering public key');
  });

  test('while the server is away', async () => {
    const { companion, companionOptions } = world.gateway.machine;
    await companion.stop();
    const cutOff = createCompanion({
      ...companionOptions,
      enrolment: { ...companionOptions.enrolment, serverUrl: 'http://127.0.0.1:1' },
    });
    await cutOff.start();
    expect(await logIn(world.code())).toMatchObject(denied);
    await cutOff.stop();
    // Nor while the companion is.
    expect(await logIn(world.code())).toMatchObject(denied);
    await companion.start();
    expect(await logIn(world.code())).toMatchObject({ status: 0 });
  });

  test('by asking in sshd’s stead: the socket is root’s, and what is not a connection of the listener is told nothing', async () => {
    const { codes } = world;
    expect((await stat(codes.socket)).mode & 0o777).toBe(0o600);
    const ask = (more: readonly string[]) =>
      runProgram(
        '/usr/bin/curl',
        ['-q', '-s', '-w', '%{http_code}', '--unix-socket', codes.socket].concat(
          ...more.map((field) => ['--data-urlencode', field]),
          ['http://gateway/codes'],
        ),
      );
    const code = world.code();
    const about = [`user=${web.targetName}`, `code=${code}`];
    for (const pid of [process.pid, 1, world.gateway.machine.sshd.pid]) {
      const { stdout } = await ask([...about, `ppid=${pid}`, 'connection=127.0.0.1 1 127.0.0.1 2']);
      expect(stdout).toBe('403');
    }
    expect(world.authority.codeChecks).toEqual([]);
  });
});

describe.skipIf(!hasNames)('a connection that came by a code', () => {
  test('is refused in words where policy says so', async () => {
    await world.install({ mfaMaxAgeSeconds: 900 });
    const { status, stderr } = await logIn(world.code({ mfa: false }));
    expect([status, stderr]).toEqual([1, expect.stringContaining('Error: Access denied')]);
  });

  test.each(['-R 0:127.0.0.1:22', '-A'])('forwards nothing: %s', async (option) => {
    const forwarding = { local: true, remote: true, agent: true };
    await world.install({ forwarding });
    const options = [...option.split(' '), '-o', 'ExitOnForwardFailure=yes'];
    const code = world.code();
    const run = world.withCode(code, world.atCodes(web.targetName, 'echo "agent=$SSH_AUTH_SOCK"'), options);
    const { status, stdout } = await run.ended;
    if (option.startsWith('-R')) expect(status).toBe(255);
    else expect(stdout).toBe('agent=\n');
    const jump = world.withCode(world.code(), world.atCodes(), ['-W', `127.0.0.1:${world.host.port}`]);
    expect((await jump.ended).stdout).toBe('');
    await world.install();
  });

  test('is reported with its person and session, and ends with the session, its processes and all', async () => {
    const sessionId = randomUUID();
    const running = world.withCode(world.code({ sessionId }), world.atCodes(web.targetName, 'echo in; cat'));
    await running.waitForOutput(/in\n/);
    const { connections } = await world.authority.waitForReport(({ connections }) =>
      connections.some(({ session_id, way }) => session_id === sessionId && way === 'relay'),
    );
    expect(connections.find(({ session_id }) => session_id === sessionId)).toMatchObject({
      account: alice,
      target: web.targetName,
      serial: '0',
    });
    world.authority.endedSessions = [sessionId];
    world.authority.push();
    expect((await running.ended).status).toBe(255);
  });

  test('keeps its ticket where its own user alone can read it, and loses it afterwards', async () => {
    const { tickets } = world.codes;
    const running = world.withCode(world.code(), world.atCodes(web.targetName, 'echo in; cat'));
    await running.waitForOutput(/in\n/);
    const names = await readdir(tickets);
    expect(names).toHaveLength(1);
    const { mode, uid } = await stat(join(tickets, names[0] ?? ''));
    expect([mode & 0o777, uid]).toEqual([0o400, web.gatewayUid]);
    // Entered by whoever knows a name; listed by nobody else.
    expect((await stat(tickets)).mode & 0o777).toBe(0o711);
    running.child.stdin?.end();
    await running.ended;
    await logIn(world.code());
    expect(await readdir(tickets)).toHaveLength(1);
    expect(await readdir(tickets)).not.toEqual(names);
  });

  test('is known again to the next companion', async () => {
    const { companion, companionOptions } = world.gateway.machine;
    const sessionId = randomUUID();
    const running = world.withCode(world.code({ sessionId }), world.atCodes(web.targetName, 'echo in; cat'));
    await running.waitForOutput(/in\n/);
    await companion.stop();
    const next = createCompanion(companionOptions);
    await next.start();
    await next.ready;
    expect(next.status().connections).toBe(1);
    world.authority.endedSessions = [sessionId];
    world.authority.push();
    expect((await running.ended).status).toBe(255);
    await next.stop();
    await companion.start();
  });

  test('leaves no code behind: not in sshd’s log, the companion’s, or its files', async () => {
    const code = world.code();
    await logIn(code);
    await logIn('THE-WRONG-CODE');
    const log = await readFile(join(world.folder, 'gateway', 'codes-sshd', 'sshd.log'), 'utf8');
    const written = [log, JSON.stringify(world.logged)];
    for (const one of written) {
      expect(one).not.toContain(code);
      expect(one).not.toContain('THE-WRONG-CODE');
    }
  });
});
