/**
 * Plain ssh to a target that wants a younger second factor than the login's. The gateway does not listen here: what counts
 * is what happens before ssh connects. (That it gets in after the login:
 * test/cli/reach/refusals.test.ts.)
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Person } from './person.ts';
import { closedPort, ServerDouble } from './server-double.ts';

const host = 'shop-production--web.sallyport';
const line = 'sally: a fresh second factor is needed, run: sally login --mfa --max-age 900\n';
const tooOld = {
  allowed: false,
  reasons: [
    { code: 'mfa_too_old', message: 'The environment wants a second factor of the last 15 minutes.' },
  ],
  command: 'sally login --mfa --max-age 900',
};

let server: ServerDouble;
let alice: Person;

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  const { targets } = server.configuration;
  for (const target of targets) Object.assign(target, { mfa_max_age: 900, access: 'relay' });
  const explain = server.explain;
  server.explain = (target) => {
    const hasLoggedIn = server.asked.some(({ max_age }) => max_age === '900');
    return { ...explain(target), ...(hasLoggedIn ? {} : tooOld) };
  };
  alice = new Person();
  await alice.login(server.url);
});
afterEach(async () => {
  await server.stop();
  alice.remove();
  expect(server.failures).toEqual([]);
});

/** The second factor was given so many seconds ago, by this machine's clock. */
function secondFactorIs(seconds: number | null): void {
  const session = JSON.parse(readFileSync(alice.paths.session, 'utf8'));
  session.mfa_time = seconds === null ? null : Math.floor(Date.now() / 1000) - seconds;
  writeFileSync(alice.paths.session, `${JSON.stringify(session, null, 2)}\n`);
}

interface Ran {
  readonly code: number;
  readonly output: string;
}

const clean = { PATH: '/usr/bin:/bin', NO_COLOR: '1', TERM: 'xterm' };

/** A process and what it says; `onOutput` is told with every piece. */
async function ended(child: ChildProcess, onOutput: (all: string) => void = () => {}): Promise<Ran> {
  let output = '';
  const hear = (chunk: Buffer) => {
    output += String(chunk).replaceAll('\r', '');
    onOutput(output);
  };
  child.stdout?.on('data', hear);
  child.stderr?.on('data', hear);
  const code = await new Promise<number>((resolve) => child.once('close', (status) => resolve(status ?? -1)));
  return { code, output };
}

/** In a session of its own, which has no terminal. */
async function withoutTerminal(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<Ran> {
  const child = spawn('/usr/bin/setsid', ['-w', 'ssh', '-F', alice.paths.userConfig, ...args, 'true'], {
    env: { ...clean, HOME: alice.home, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return await ended(child);
}

/** What a shell runs at a terminal, for a person who opens each address that is shown there. */
async function atTerminal(command: string, environment: Record<string, string> = {}): Promise<Ran> {
  const opened = new Set<string>();
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { ...clean, HOME: alice.home, SHELL: '/bin/sh', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return await ended(child, (all) => {
    for (const [address] of all.matchAll(/http:\/\/127\.0\.0\.1:\d+\/oauth\/auth\?\S+(?=\n)/g)) {
      if (!opened.has(address)) void fetch(address).catch(() => {});
      opened.add(address);
    }
  });
}

const ssh = () => `ssh -F '${alice.paths.userConfig}'`;

describe('plain ssh to a target that wants a second factor of the last 15 minutes', () => {
  test('starts nothing and says nothing while it is young enough', async () => {
    secondFactorIs(800);
    trapProgram();
    const { output } = await atTerminal(`${ssh()} ${host}`);
    expect(output).toBe(`ssh: connect to host 127.0.0.1 port ${closedPort}: Connection refused\n`);
    expect(alice.has(`${alice.home}/started`)).toBe(false);
  });

  test('does not even ask for the time where a second factor of any age will do', async () => {
    const date = `${alice.home}/date`;
    writeFileSync(date, `#!/bin/sh\necho asked >>'${alice.home}/asked'\nexec /bin/date "$@"\n`);
    chmodSync(date, 0o755);
    const stepUp = async (max: string) => {
      const env = { ...clean, PATH: `${alice.home}:${clean.PATH}`, HOME: alice.home };
      const child = spawn(alice.paths.stepUp, [max, 'shop-production--web'], { env });
      return { ...(await ended(child)), asksTime: alice.has(`${alice.home}/asked`) };
    };
    secondFactorIs(800);
    expect(await stepUp('any')).toEqual({ code: 0, output: '', asksTime: false });
    expect(await stepUp('900')).toEqual({ code: 0, output: '', asksTime: true });
  });

  test.each([
    ['too old', 901],
    ['missing', null],
  ])('at a terminal has the person log in when it is %s, waits, and goes on', async (_what, age) => {
    secondFactorIs(age);
    const { output } = await atTerminal(`${ssh()} ${host}`);
    expect(server.asked).toHaveLength(2);
    expect(server.asked[1]).toMatchObject({ acr_values: 'mfa', max_age: '900' });
    expect(output).toContain('sally: logging in again; after that it goes on by itself.');
    expect(output).toMatch(/Connection refused\n$/);
    // The certificate that ssh has taken afterwards is the new one.
    expect(server.issued).toBe(2);
    expect(alice.has(`${alice.paths.own}/stepping-up`)).toBe(false);
  });

  test('leaves what is piped into it alone', async () => {
    secondFactorIs(901);
    const { output } = await atTerminal(`echo piped | ${ssh()} ${host}`);
    expect(server.asked).toHaveLength(2);
    expect(output).toContain('sally: logging in again');
  });

  test('opens the browser of a graphical session where there is no terminal', async () => {
    secondFactorIs(901);
    const browser = `${alice.home}/browser`;
    writeFileSync(browser, '#!/bin/sh\nexec curl -sLo /dev/null "$1"\n');
    chmodSync(browser, 0o755);
    const { output } = await withoutTerminal([host], {
      DISPLAY: ':99',
      BROWSER: browser,
      XDG_DATA_DIRS: '/nonexistent',
    });
    expect(server.asked).toHaveLength(2);
    expect(output).toMatch(/Connection refused\n$/);
  });

  test('asks once for 50 that start together', { timeout: 60_000 }, async () => {
    secondFactorIs(901);
    const { output } = await atTerminal(
      `i=0; while [ $i -lt 50 ]; do ${ssh()} ${host} & i=$((i + 1)); done; wait`,
    );
    expect(server.asked).toHaveLength(2);
    expect(output.match(/logging in again/g)).toHaveLength(1);
    expect(output.match(/Connection refused/g)).toHaveLength(50);
    expect(output).not.toContain('is needed');
  });

  test('asks nobody whom the server would let in as they are, whatever the clock here says', async () => {
    secondFactorIs(901);
    server.explain = (target) => ({
      account: 'x@example.com',
      target,
      allowed: true,
      reasons: [],
      command: null,
      text: '',
      assumed: [],
    });
    const { output } = await atTerminal(`${ssh()} ${host}`);
    expect(output).toBe(`ssh: connect to host 127.0.0.1 port ${closedPort}: Connection refused\n`);
    expect(server.asked).toHaveLength(1);
  });

  test('asks nobody who would be refused all the same', async () => {
    secondFactorIs(901);
    const reasons = [...tooOld.reasons, { code: 'ssh_disabled', message: 'SSH is off.' }];
    server.explain = (target) => ({
      account: 'x@example.com',
      target,
      allowed: false,
      reasons,
      command: null,
      text: '',
      assumed: [],
    });
    await atTerminal(`${ssh()} ${host}`);
    expect(server.asked).toHaveLength(1);
  });
});

describe('it fails with one line, and asks nobody', () => {
  beforeEach(() => {
    secondFactorIs(901);
    trapProgram();
  });
  afterEach(() => expect(alice.has(`${alice.home}/started`)).toBe(false));

  const refused = `${line}ssh: connect to host 127.0.0.1 port ${closedPort}: Connection refused\n`;

  test('without a terminal and without a graphical session', async () => {
    expect((await withoutTerminal([host])).output).toBe(refused);
  });

  test.each([['-o', 'BatchMode=yes'], ['-oBatchMode=yes'], ['-o', 'batchmode yes']])(
    'in batch mode: %s %s',
    async (...options) => {
      const words = options.map((word) => `'${word}'`).join(' ');
      expect((await atTerminal(`${ssh()} ${words} ${host} true`)).output).toBe(refused);
      expect((await atTerminal(`${ssh()} ${host} ${words} true`)).output).toBe(refused);
    },
  );

  test.each([
    ['an editor that connects in the background (ssh -T, no terminal)', ['-T', '-D', '41003'], {}],
    ['the git of an editor', [], { VSCODE_GIT_COMMAND: 'fetch' }],
    ['git that was told to ask nobody', [], { GIT_TERMINAL_PROMPT: '0' }],
    ['a service of systemd', [], { INVOCATION_ID: '1' }],
    ['a job of a CI system', [], { CI: 'true' }],
    ['a shell that came over SSH', [], { SSH_CONNECTION: '1 2 3 4' }],
  ])('even in a graphical session for %s', async (_what, options, environment) => {
    expect((await withoutTerminal([...options, host], { DISPLAY: ':99', ...environment })).output).toBe(
      refused,
    );
  });

  test('where SALLY_STEP_UP=never says so', async () => {
    expect((await atTerminal(`${ssh()} ${host}`, { SALLY_STEP_UP: 'never' })).output).toBe(refused);
  });

  test('where the one that seems to ask has another process’s number, which never ends', async () => {
    // One that was killed leaves its mark; a second before a login could last no longer, its number is this test's.
    const mark = `${alice.paths.own}/stepping-up`;
    writeFileSync(mark, `${process.pid}\n`);
    const since = Date.now() / 1000 - 11 * 60 + 1;
    utimesSync(mark, since, since);
    expect((await atTerminal(`${ssh()} ${host}`)).output).toBe(refused);
  });

  test('without the program', async () => {
    rmSync(`${alice.home}/node`);
    expect((await atTerminal(`${ssh()} ${host}`)).output).toBe(refused);
  });
});

describe('not a word', () => {
  beforeEach(() => {
    secondFactorIs(901);
    trapProgram();
  });
  afterEach(() => expect(alice.has(`${alice.home}/started`)).toBe(false));

  test.each([['-G'], ['-vG'], ['-T', '-G'], ['-p', '22', '-G']])('under ssh %s %s %s', async (...options) => {
    const { code, output } = await atTerminal(`${ssh()} ${options.join(' ')} ${host}`);
    expect(code).toBe(0);
    expect(output).toContain('hostname 127.0.0.1\n');
    expect(output).not.toContain('sally:');
    // Behind the host too.
    expect((await atTerminal(`${ssh()} ${host} ${options.join(' ')}`)).output).not.toContain('sally:');
  });

  test.each(['-W localhost:22', '-O check'])('under ssh %s', async (options) => {
    expect((await atTerminal(`${ssh()} ${options} ${host}`)).output).not.toContain('sally:');
  });

  test('under an ssh that calls itself something else, which may be asked for -G', async () => {
    const { code, output } = await atTerminal(`bash -c "exec -a probe ${ssh()} -G ${host}"`);
    expect([code, output]).toEqual([0, expect.stringContaining('hostname 127.0.0.1\n')]);
    expect(output).not.toContain('sally:');
  });

  test('to a machine, which has no second factor', async () => {
    expect((await atTerminal(`${ssh()} ${host}`, { SALLY_TOKEN: 'x' })).output).not.toContain('sally: a ');
  });

  test('for another host, for a target without such a wish, after a logout', async () => {
    for (const name of ['gw.sallyport', 'localhost']) {
      expect((await atTerminal(`${ssh()} -p 1 ${name}`)).output).not.toContain('sally:');
    }
    server.configuration.targets.splice(0, 1, {
      ...server.configuration.targets[0],
      mfa_max_age: undefined,
    } as never);
    await alice.sally(['ssh-config', 'install']);
    expect((await atTerminal(`${ssh()} ${host}`)).output).not.toContain('sally:');
  });
});

/** Programs in place of Node and sally that would show that they were started, by this script and no other. */
function trapProgram(): void {
  const node = `${alice.home}/node`;
  writeFileSync(node, `#!/bin/sh\necho started >'${alice.home}/started'\n`);
  chmodSync(node, 0o755);
  const script = readFileSync(alice.paths.stepUp, 'utf8');
  writeFileSync(alice.paths.stepUp, script.replace(`'${process.execPath}'`, `'${node}'`));
}
