/** How a session on a host begins: where, with which environment, and with which words, whichever way it came. */
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { isProgram } from '../../src/gateway/programs.ts';
import { RelayWorld } from './relay-world.ts';
import { type Person, runSsh } from './ssh-client.ts';
import { hasTerminals, Terminal } from './terminal.ts';
import { appLogin, hasNames, web } from './test-world.ts';

/** The compiled program where one can be built: the script is compared with it in session-program.test.ts. */
class HostWorld extends RelayWorld {
  override hostOptions() {
    return { compiledQuestion: isProgram('/usr/bin/cc') };
  }
}

const world = new HostWorld();
const inside = { folder: `/srv/home/${appLogin}/current`, envFile: `/srv/home/${appLogin}/.env` };
const home = () => join(world.folder, 'host', 'home');

beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  await mkdir(join(home(), 'current'));
  await chown(join(home(), 'current'), 599_998, 599_998);
  const lines = [
    '# the application',
    'NAME=value',
    'SPACED="a  b"',
    "SINGLE='$(id -un)'",
    'RAW=$(id -un);`id`|\\',
    'EMPTY=',
    'EQUALS=a=b',
    'IFS=:',
    'shell=/bin/false',
    'OPTIND=x',
    'UID=0',
    'bad-name=1',
    'export ALSO=1',
    'no line',
    'LAST=without an end of line',
  ];
  await writeFile(join(home(), '.env'), lines.join('\n'), { mode: 0o644 });
  await world.install(inside);
});
afterEach(() => world.killStarted());
afterAll(() => world.close());

const direct = (...command: string[]) => ['-p', String(world.host.port), `${appLogin}@127.0.0.1`, ...command];
const jump = (...command: string[]) => [
  '-J',
  `${web.targetName}@127.0.0.1:${world.gateway.port}`,
  ...direct(...command),
];
const relay = (...command: string[]) => world.at(web.targetName, ...command);
const ways = [
  ['relayed', relay],
  ['that jumped', jump],
  ['at the host itself', direct],
] as const;

const names = 'NAME SPACED SINGLE RAW EMPTY EQUALS ALSO LAST';
const print = `for one in ${names}; do eval "printf '%s=%s\\n' $one \\"\\\${$one-unset}\\""; done`;
const expected = [
  'NAME=value',
  'SPACED=a  b',
  'SINGLE=$(id -un)',
  'RAW=$(id -un);`id`|\\',
  'EMPTY=',
  'EQUALS=a=b',
  'ALSO=unset',
  'LAST=without an end of line',
  '',
].join('\n');

describe.skipIf(!hasNames)('a session (needs root, sshd, curl, libnss-extrausers)', () => {
  test.each(ways)(
    '[seeds 35] %s runs as the unprivileged login, a command with the application’s environment, unevaluated',
    async (_way, args) => {
      const person = await world.person();
      const ran = await runSsh(person, args(`id -un; ${print}`));
      expect(ran).toEqual({ status: 0, stdout: `${appLogin}\n${expected}`, stderr: '' });
      expect((await runSsh(person, args('id -u'))).stdout).not.toBe('0\n');
    },
  );

  test.each(ways)(
    '%s runs a command where sshd starts it, so that files are copied where they always were',
    async (_way, args) => {
      const person = await world.person();
      expect((await runSsh(person, args('pwd'))).stdout).toBe(`/srv/home/${appLogin}\n`);
    },
  );

  test.each(ways)(
    '%s that copies files has neither environment nor words in what the program reads',
    async (_way, args) => {
      const person = await world.person();
      // A program of this name at the host would show what it was given.
      const ran = await runSsh(person, args('rsync --server --version; printenv NAME || echo unset'));
      expect(ran.stdout).toMatch(/unset\n$/);
      expect(ran.stdout).not.toContain('example / shop');
    },
  );

  test('has no variable of the way it came', async () => {
    const person = await world.person();
    const { stdout } = await runSsh(person, relay('printenv SSH_ORIGINAL_COMMAND || echo none'));
    expect(stdout).toBe('none\n');
  });
});

async function shell(person: Person, args: readonly string[], typed: string): Promise<string> {
  const terminal = Terminal.open(person, args);
  world.started.push(terminal);
  await terminal.waitForOutput(/\$ $/);
  terminal.type(`${typed}; exit\n`);
  return (await terminal.ended).stdout.replaceAll('\r\n', '\n');
}

describe.skipIf(!hasNames || !hasTerminals)('a shell on a terminal (needs root, sshd, python3)', () => {
  test.each(ways)(
    '[seeds 34] [seeds 35] %s starts in the application’s folder with its environment, and says where one is and for how long',
    async (_way, args) => {
      const person = await world.person();
      const stdout = await shell(person, args(), `printf "in %s with %s\\n" "$PWD" "$NAME"`);
      expect(stdout).toContain(`in ${inside.folder} with value\n`);
      expect(stdout).toContain('example / shop / production / web\n');
      expect(stdout).toMatch(/You are alice@example\.com, logged in as app/);
      expect(stdout).toMatch(
        /(Your login session ends at|Your certificate is good until) \d{4}-\d\d-\d\d \d\d:\d\d UTC\.\n/,
      );
      expect(stdout).not.toContain('read-only');
      expect(stdout.split('\n').length).toBeLessThan(24);
    },
  );

  test('[seeds 34] is told that the folder is read-only, or not there', async () => {
    const person = await world.person();
    const folder = join(home(), 'current');
    await chown(folder, 0, 0);
    await chmod(folder, 0o755);
    expect(await shell(person, relay(), 'true')).toContain(`The folder ${inside.folder} is read-only.\n`);
    await chmod(folder, 0o700);
    const stdout = await shell(person, relay(), 'pwd');
    expect(stdout).toContain(`The folder ${inside.folder} can't be entered.\n`);
    expect(stdout).toContain(`\n/srv/home/${appLogin}\n`);
    await chown(folder, 599_998, 599_998);
  });

  test('[seeds 34] says nothing before a command, with a terminal or without', async () => {
    const person = await world.person();
    const terminal = Terminal.open(person, ['-t', ...relay('echo here')]);
    world.started.push(terminal);
    expect((await terminal.ended).stdout).not.toContain('example / shop');
    expect(await runSsh(person, relay('echo here'))).toEqual({ status: 0, stdout: 'here\n', stderr: '' });
  });
});
