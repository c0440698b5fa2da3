/**
 * A companion with a thousand targets and a thousand accounts: its memory, how long it takes to answer, and what asking
 * adds to a login, against the limits of the design. Run as root with sshd, curl, a C compiler and libnss-extrausers.
 *
 * Memory is that of `sallyport gateway run` as the unit starts it, in a process of its own; an answer is one question of
 * sshd's, asked with the compiled program; what a login gets longer by is measured with a real sshd, beside the same login
 * where /bin/echo names the principal: on a host that a handful of apps share, and, without a limit, where a thousand
 * share one login. sshd asks twice for each login, and begins the session with a third question. It also makes each step
 * of a login last a power of two of its user's own delay (ensure_minimum_time_since() in auth2.c), so the figure leaps.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { startLocalSshd } from '../src/dev/local-sshd.ts';
import { createPerson, freePort, type Person, runSsh } from '../test/gateway/ssh-client.ts';
import { alice, appLogin, hasNames, TestWorld, web } from '../test/gateway/test-world.ts';
import { median } from './measure.ts';

const limits = { memoryMegabytes: 80, answerMilliseconds: 10, loginMilliseconds: 15 };
const count = 1_000;
const appsOfHost = 5;
const questions = 300;
const logins = 20;

if (!hasNames) throw new Error('Run this as root, with sshd, curl and libnss-extrausers.');
const world = new TestWorld();
const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
const cache = join(folder, 'cache');
const problems: string[] = [];

function line(name: string, value: number, limit: number, unit: string, detail = ''): void {
  console.log(`${name}: ${value.toFixed(1)} ${unit}, limit ${limit} ${unit}${detail}`);
  if (value > limit) problems.push(name);
}

const numbers = Array.from({ length: count }, (_, index) => index);

function addPeople(): void {
  const { authority } = world;
  const [first] = authority.accounts;
  if (first === undefined) throw new Error('no account');
  authority.accounts = [
    ...authority.accounts,
    ...numbers.map((number) => ({
      ...first,
      name: `person-${number}@example.com`,
      groups: ['everybody', `team-${number % 20}`],
      number: 700_000 + number,
    })),
  ];
  authority.rules = [
    ...authority.rules,
    ...numbers.map((number) => ({
      subject: { account: `person-${number}@example.com` },
      role: 'contributor' as const,
      organization: 'example',
      project: 'shop',
      environment: null,
      expiresAtSeconds: null,
    })),
  ];
}

/** All of them log in as the same user of the host. */
async function pushTargets(port: number, howMany: number): Promise<void> {
  const { authority } = world;
  authority.targets = [
    { ...web, port },
    ...numbers.slice(1, howMany).map((number) => ({
      ...web,
      targetName: `shop-production--app-${number}`,
      app: `app-${number}`,
      address: `10.0.${number >> 8}.${number & 255}`,
      port: 22,
      gatewayUid: 610_000 + number,
      nodeNumber: 110_000 + number,
    })),
  ];
  const version = authority.push();
  await authority.waitForAcknowledgement((found) => found.version === version);
}

interface Companion {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
}

/** The companion of the machine's folders, in a process of its own and with what deploy/systemd gives it. */
function startCompanion(options: object): Companion {
  const unit = readFileSync(new URL('../deploy/systemd/sallyport-host.service', import.meta.url), 'utf8');
  const flags = /^ExecStart=\S+ (.*?) bin\/sallyport\.js/m.exec(unit)?.[1]?.split(' ') ?? [];
  const script = new URL('./companion-process.ts', import.meta.url).pathname;
  const variables = /^Environment=(.*)$/m.exec(unit)?.[1]?.split(' ') ?? [];
  const child = spawn(process.execPath, [...flags, script, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      ...Object.fromEntries(variables.map((variable) => variable.split('='))),
      NODE_COMPILE_CACHE: cache,
    },
  });
  const lines = createInterface({ input: child.stdout });
  return { child, ready: once(lines, 'line').then(() => {}) };
}

/** In MB: what the process holds itself, and with the pages of Node's own file that it has touched. */
function memoryOf({ pid }: ChildProcess): { own: number; resident: number } {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const megabytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0) / 1024;
  return { own: megabytes('Anonymous'), resident: megabytes('Rss') };
}

function memoryLine(name: string, child: ChildProcess): void {
  const { own, resident } = memoryOf(child);
  const detail = ` (${resident.toFixed(0)} MB with what it has read of Node's own file)`;
  line(name, own, limits.memoryMegabytes, 'MB', detail);
}

async function timedLogins(person: Person, port: number): Promise<number[]> {
  const times: number[] = [];
  for (let login = 0; login < logins; login++) {
    const started = performance.now();
    const { status, stderr } = await runSsh(person, ['-p', `${port}`, `${appLogin}@127.0.0.1`, 'true']);
    if (status !== 0) throw new Error(`a login failed: ${stderr}`);
    times.push(performance.now() - started);
  }
  return times;
}

try {
  await world.open();
  const { machine, port } = await world.startMachine('host', { compiledQuestion: true, answerSeconds: 5 });
  addPeople();
  await pushTargets(port, count);
  await machine.companion.stop();

  // The same folders, another process.
  const { companionOptions } = machine;
  const { clock: _, log: __, ...plain } = companionOptions;
  // The first start fills the cache of what is compiled, as the first start of the unit does.
  const first = startCompanion(plain);
  await first.ready;
  first.child.kill('SIGTERM');
  await once(first.child, 'exit');
  const companion = startCompanion(plain);
  await companion.ready;
  const person = await createPerson(world.authority, world.folder, alice);
  await timedLogins(person, port);
  memoryLine('memory', companion.child);
  for (let push = 0; push < 5; push++) {
    const next = world.authority.push();
    await world.authority.waitForAcknowledgement((found) => found.version === next);
  }
  memoryLine('memory after five more states', companion.child);

  const ask = join(machine.paths.runFolder, 'ask');
  const key = (await readFile(join(person.folder, 'id-cert.pub'), 'utf8')).split(' ')[1] ?? '';
  const times = Array.from({ length: questions }, () => {
    const started = performance.now();
    spawnSync(ask, [machine.paths.principalsSocket, '/principals', '5000', `user=${appLogin}`, `key=${key}`]);
    return performance.now() - started;
  });
  line('answer', median(times), limits.answerMilliseconds, 'ms', ` (starting the program included)`);

  // The same sshd, with a program that names the principal and asks nobody.
  const plainPort = await freePort();
  const configuration = await readFile(join(world.folder, 'host/sshd/sshd_config'), 'utf8');
  const sshd = await startLocalSshd({
    folder: join(folder, 'sshd'),
    sshd: companionOptions.programs.sshd,
    address: '127.0.0.1',
    port: plainPort,
    configuration: configuration
      .replace(/^AuthorizedPrincipalsCommand .*$/m, `AuthorizedPrincipalsCommand /bin/echo ${alice}`)
      .replace(/^Port .*$/m, `Port ${plainPort}`)
      .replace(/^PidFile .*$/m, `PidFile ${folder}/pid`),
    namespace: {
      binds: [
        { from: join(world.folder, 'host/nsswitch.conf'), to: '/etc/nsswitch.conf' },
        { from: join(world.folder, 'host/names'), to: '/var/lib/extrausers' },
        { from: join(world.folder, 'host/home'), to: `/srv/home/${appLogin}` },
      ],
    },
  });
  // In turns, so that whatever else the machine does meets both.
  const compared = async () => {
    const asked: number[] = [];
    const unasked: number[] = [];
    for (let turn = 0; turn < 3; turn++) {
      unasked.push(...(await timedLogins(person, plainPort)));
      asked.push(...(await timedLogins(person, port)));
    }
    const [withUs, without] = [median(asked), median(unasked)];
    return { added: withUs - without, detail: ` (${withUs.toFixed(1)} ms against ${without.toFixed(1)} ms)` };
  };
  const crowded = await compared();
  await pushTargets(port, appsOfHost);
  const { added, detail } = await compared();
  line('added to a login', added, limits.loginMilliseconds, 'ms', detail);
  console.log(`where ${count} targets share the login: ${crowded.added.toFixed(1)} ms${crowded.detail}`);
  await sshd.stop();
  companion.child.kill('SIGTERM');
} finally {
  await world.close();
  rmSync(folder, { recursive: true, force: true });
}
if (problems.length > 0) {
  console.error(`over the limit: ${problems.join(', ')}`);
  process.exit(1);
}
