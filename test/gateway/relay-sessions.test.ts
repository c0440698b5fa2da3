/** What a person has of a session that a gateway takes on to a host: the same as of one at the host itself. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RelayWorld } from './relay-world.ts';
import { type Person, runSsh } from './ssh-client.ts';
import { hasTerminals, Terminal } from './terminal.ts';
import { appLogin, hasNames, web } from './test-world.ts';

const world = new RelayWorld();
beforeAll(async () => {
  if (hasNames) await world.open();
});
afterEach(() => world.killStarted());
afterAll(() => world.close());

const at = (...command: string[]) => world.at(web.targetName, ...command);

/** With bytes in and out. */
async function pass(person: Person, args: readonly string[], input: Buffer) {
  const child = spawn('/usr/bin/ssh', ['-F', person.configuration, ...args], { stdio: 'pipe' });
  child.stdin.end(input);
  const ended = once(child, 'close');
  const [stdout, stderr] = await Promise.all([buffer(child.stdout), text(child.stderr)]);
  const [status] = await ended;
  return { status, stdout, stderr };
}

describe.skipIf(!hasNames)('a relayed session (needs root, sshd, curl, libnss-extrausers)', () => {
  test('[seeds 30] runs a command as the instance’s login, with its exit code and both outputs apart', async () => {
    const person = await world.person();
    const ran = await runSsh(person, at('id -un; echo problem >&2; exit 3'));
    expect(ran).toEqual({ status: 3, stdout: `${appLogin}\n`, stderr: 'problem\n' });
  });

  test.each([
    ['code 0', 'exit 0', 0],
    ['the code that ssh itself has for its own failures', 'exit 255', 255],
    ['128 and the number of the signal that ended the command', 'kill -KILL $$', 137],
    ['the same for a signal that asks', 'kill -TERM $$', 143],
  ])('[seeds 30] ends with %s', async (_what, command, status) => {
    const person = await world.person();
    expect(await runSsh(person, at(command))).toEqual({ status, stdout: '', stderr: '' });
  });

  test.each([
    "printf %s '; exit 9; '",
    'printf %s "$(id -un)"',
    'printf %s `id -un`',
    'printf %s "a\nb"',
    "printf '%s' \\\\",
    'printf %s *',
    'printf %s "$SSH_ORIGINAL_COMMAND$1"',
    'set -- -V; printf %s "$1"',
  ])('[seeds 30] the command %j means at the host what it says', async (command) => {
    const person = await world.person();
    const direct = await runSsh(person, ['-p', String(world.host.port), `${appLogin}@127.0.0.1`, command]);
    const relayed = await runSsh(person, at(command));
    expect(relayed).toEqual({ ...direct, status: 0, stderr: '' });
  });

  test('a command that looks like an option is no option of the ssh on the gateway', async () => {
    const person = await world.person();
    for (const command of ['-V', '-oProxyCommand=id', '--', '-']) {
      const ran = await runSsh(person, at('--', command));
      expect([ran.status, ran.stdout]).not.toEqual([0, '']);
      expect(ran.stderr).toMatch(/^\/bin\/sh: /);
    }
  });

  test('[seeds 30] many bytes of every kind go both ways unchanged, and the end of input arrives', async () => {
    const person = await world.person();
    const bytes = Buffer.concat([Buffer.from('~.\n~?\n\r\n\0'), randomBytes(5_000_000)]);
    const { status, stdout, stderr } = await pass(person, at('cat; printf end'), bytes);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.equals(Buffer.concat([bytes, Buffer.from('end')]))).toBe(true);
  });

  test('a long command arrives whole', async () => {
    const person = await world.person();
    const word = 'x'.repeat(100_000);
    const { status, stdout } = await runSsh(person, at(`printf %s ${word}`));
    expect(status).toBe(0);
    expect(stdout === word).toBe(true);
  });

  test('without a command and a terminal it is a shell that reads its input', async () => {
    const person = await world.person();
    const { status, stdout, stderr } = await pass(person, ['-T', ...at()], Buffer.from('id -un\nexit 4\n'));
    expect({ status, stdout: stdout.toString(), stderr }).toEqual({
      status: 4,
      stdout: `${appLogin}\n`,
      stderr: '',
    });
  });

  test('what a command leaves behind keeps nobody waiting', async () => {
    const person = await world.person();
    const ran = await runSsh(person, at('sleep 30 >/dev/null 2>&1 </dev/null & echo done; echo $!'));
    expect(ran).toMatchObject({ status: 0, stdout: expect.stringMatching(/^done\n\d+\n$/) });
    await runSsh(person, at(`kill ${ran.stdout.split('\n')[1]}`));
  });

  test('several sessions run over one connection, each with its own key', async () => {
    const person = await world.person();
    const socket = join(person.folder, 'control');
    const master = world.start(person, ['-M', '-S', socket, ...at('echo up; cat')]);
    await master.waitForOutput(/up/);
    const before = world.authority.hops.length;
    const over = ['-S', socket, '-o', 'ControlMaster=no'];
    const [one, two] = await Promise.all([
      runSsh(person, [...over, ...at('echo one; exit 1')]),
      runSsh(person, [...over, ...at('echo two; exit 2')]),
    ]);
    expect([one, two]).toMatchObject([
      { status: 1, stdout: 'one\n' },
      { status: 2, stdout: 'two\n' },
    ]);
    const keys = world.authority.hops.slice(before).map(({ public_key }) => public_key);
    expect(new Set(keys).size).toBe(2);
    master.child.stdin?.end();
    expect((await master.ended).status).toBe(0);
  });
});

describe.skipIf(!hasNames || !hasTerminals)('a relayed terminal (needs root, sshd, python3)', () => {
  test('has the size of the person’s own, and follows it', async () => {
    const person = await world.person();
    const command = 'tty; echo $TERM; while stty size; do sleep 0.1; done';
    const terminal = Terminal.open(person, ['-t', ...at(command)]);
    world.started.push(terminal);
    await terminal.waitForOutput(/\/dev\/pts\/\d+\r\nxterm\r\n24 80\r\n/);
    terminal.widen();
    await terminal.waitForOutput(/30 100\r\n/);
  });

  test('has a Ctrl-C that ends the command and not the session', async () => {
    const person = await world.person();
    const terminal = Terminal.open(person, at());
    world.started.push(terminal);
    await terminal.waitForOutput(/\$ $/);
    terminal.type('echo rea""dy; cat\n');
    await terminal.waitForOutput(/ready/);
    terminal.stdout = '';
    terminal.type('\u0003');
    await terminal.waitForOutput(/\$ $/);
    terminal.type('echo go""ing on; exit 5\n');
    await terminal.waitForOutput(/going on/);
    expect((await terminal.ended).status).toBe(5);
  });

  test('ends a command that was asked for with a terminal by Ctrl-C, with the number of the signal', async () => {
    const person = await world.person();
    const terminal = Terminal.open(person, ['-t', ...at('echo ready; exec sleep 60')]);
    world.started.push(terminal);
    await terminal.waitForOutput(/ready/);
    terminal.type('\u0003');
    expect((await terminal.ended).status).toBe(130);
  });
});
