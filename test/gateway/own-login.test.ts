import { spawn } from 'node:child_process';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  canGenerateNames,
  inNamespace,
  namespaceCommand,
  writeNsswitch,
} from '../../src/dev/local-sshd-namespace.ts';
import { endConnections } from '../../src/gateway/end-connection.ts';
import { type ProcessId, readProcesses, readSameProcess } from '../../src/gateway/proc.ts';
import { processTree } from '../../src/gateway/process-tree.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import {
  canListen,
  createPerson,
  freePort,
  type Person,
  RunningSsh,
  runSsh,
  startSsh,
  until,
} from './ssh-client.ts';
import { alice, bob, carol, hasSshd, mallory, TestWorld, web } from './test-world.ts';

const isRoot = process.getuid?.() === 0;
const canRun = hasSshd && (!isRoot || canGenerateNames());
const world = new TestWorld();
const { authority } = world;
const repository = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** Root becomes this user, whom only a private mount namespace knows; anybody else stays who they are. */
const developer = { name: 'developer', uid: 4_242 };
const login = isRoot ? developer.name : userInfo().username;
let machine: RunningSsh;
const monitors: ProcessId[] = [];
let ports: { gateway: number; host: number };
let tokens: { gateway: string; host: string };
let folder: string;

beforeAll(async () => {
  if (!canRun) return;
  await world.open();
  authority.hopCa = generateEd25519();
  folder = join(world.folder, 'as-developer');
  await mkdir(folder, { mode: 0o700 });
  await chmod(world.folder, 0o711);
  ports = { gateway: await freePort(), host: await freePort() };
  tokens = { gateway: authority.token('gateway', 'gateway', login), host: authority.token('host', 'host') };
  authority.targets = [{ ...web, port: ports.host, login }];
  if (isRoot) await prepareDeveloper();
  machine = await startMachine();
});
afterAll(async () => {
  machine?.child.kill('SIGTERM');
  await machine?.ended;
  // A test that failed after it had killed the machine leaves connections that no sshd knows.
  await endConnections(monitors);
  await world.close();
});

async function prepareDeveloper(): Promise<void> {
  await chown(folder, developer.uid, developer.uid);
  const names = join(world.folder, 'names');
  await mkdir(names);
  await writeFile(
    join(names, 'passwd'),
    `${developer.name}:x:${developer.uid}:${developer.uid}::/srv/empty:/bin/sh\n`,
  );
  await writeFile(join(names, 'group'), `${developer.name}:x:${developer.uid}:\n`);
  await writeFile(join(names, 'shadow'), `${developer.name}:*:1::::::\n`);
  await writeNsswitch(join(world.folder, 'nsswitch.conf'));
}

async function startMachine(): Promise<RunningSsh> {
  const visible = (path: string) => (isRoot ? path.replace(repository, '/srv/repository') : path);
  const run = [
    visible(process.execPath),
    visible(fileURLToPath(new URL('./own-login-machine.ts', import.meta.url))),
    folder,
    authority.url,
    String(ports.gateway),
    tokens.gateway,
    String(ports.host),
    tokens.host,
  ];
  const binds = [
    { from: join(world.folder, 'nsswitch.conf'), to: inNamespace.nsswitch },
    { from: join(world.folder, 'names'), to: inNamespace.extrausers },
    { from: repository, to: '/srv/repository' },
  ];
  const id = String(developer.uid);
  const asDeveloper = ['/usr/bin/setpriv', `--reuid=${id}`, `--regid=${id}`, '--clear-groups'];
  const [program = '', ...args] = isRoot ? namespaceCommand({ binds }, [...asDeveloper, ...run]) : run;
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: '/usr/bin:/bin' } });
  const running = new RunningSsh(child);
  await running.waitForOutput(/ready/);
  return running;
}

const atGateway = (...command: string[]) => ['-p', String(ports.gateway), `${login}@127.0.0.1`, ...command];
const jump = (...command: string[]) => [
  '-J',
  `${login}@127.0.0.1:${ports.gateway}`,
  '-p',
  String(ports.host),
  `${login}@127.0.0.1`,
  ...command,
];

describe.skipIf(!canRun)(
  'an sshd of an ordinary user (needs openssh-server, curl; as root libnss-extrausers)',
  () => {
    test('a jump reaches the target', async () => {
      const person = await createPerson(authority, world.folder, alice);
      expect(await runSsh(person, jump('id', '-un'))).toMatchObject({ status: 0, stdout: `${login}\n` });
    });

    test('a jump opens the way to the targets of the person and to nothing else', async () => {
      const person = await createPerson(authority, world.folder, alice);
      const elsewhere = ['-W', `127.0.0.1:${ports.gateway}`, ...atGateway()];
      expect(await runSsh(person, elsewhere)).toMatchObject({ status: 255, stdout: '' });
    });

    test('naming a target at the gateway tells the way to it', async () => {
      const person = await createPerson(authority, world.folder, alice);
      const ran = await runSsh(person, atGateway(web.targetName));
      expect(ran.status).toBe(1);
      expect(ran.stderr).toContain(`ssh ${web.targetName}.sallyport\n`);
    });

    test('naming a target on an enrolled host takes the person on to a shell there', async () => {
      const person = await createPerson(authority, world.folder, alice);
      authority.targets = [{ ...web, port: ports.host, login, host: 'host' }];
      const version = authority.push();
      const those = () => authority.acknowledgements.filter((found) => found.version === version);
      await authority.waitForAcknowledgement(() => those().length > 1);
      const running = startSsh(person, ['-T', ...atGateway(web.targetName)]);
      running.child.stdin?.end('id -un; exit 6\n');
      expect(await running.ended).toEqual({ status: 6, stdout: `${login}\n`, stderr: '' });
      authority.targets = [{ ...web, port: ports.host, login }];
      authority.push();
    });

    test('naming none lists what the person may reach', async () => {
      const person = await createPerson(authority, world.folder, alice);
      const ran = await runSsh(person, atGateway());
      expect(ran.stderr).toContain(`Targets that ${alice} may reach:\n  ssh ${web.targetName}.sallyport\n`);
    });

    test('naming a target that wants MFA is refused with its parameters', async () => {
      const person = await createPerson(authority, world.folder, carol, { mfa: false });
      const ran = await runSsh(person, atGateway(web.targetName));
      expect(ran.status).toBe(1);
      expect(ran.stderr).toContain(
        `Service: ${web.targetName}\nUser: ${carol}\nParameters: {"amr":["mfa"]}\n`,
      );
      expect(await runSsh(person, jump('true'))).toMatchObject({ status: 255 });
    });

    test.each(['$(id)', "'; id; '", 'x" --data-urlencode "y', '\u001b[31mred', '@/etc/passwd'])(
      'what a client sends as a name is only ever data: %j',
      async (asked) => {
        const person = await createPerson(authority, world.folder, alice);
        const ran = await runSsh(person, atGateway(asked));
        expect(ran.stderr).toContain('Service: (not a target name)\n');
        expect(`${ran.stdout}${ran.stderr}`).not.toMatch(/uid=|root:|\u001b/);
      },
    );

    test('somebody of another organization gets no answer', async () => {
      const person = await createPerson(authority, world.folder, mallory, { claims: { org: 'other' } });
      expect(await runSsh(person, atGateway())).toMatchObject({ status: 255, stdout: '' });
    });

    test('a revocation ends the whole tree of a running connection', async () => {
      const { person, tree } = await openLoop(bob);
      await endSession(person);
      expect(alive(tree)).toEqual([]);
    });

    test('a companion that was killed knows the connections of its predecessor and ends them', async () => {
      const { person, tree } = await openLoop(bob);
      machine.child.kill('SIGKILL');
      await machine.ended;
      expect(alive(tree).length).toBeGreaterThanOrEqual(3);
      await until(
        async () => (await canListen(ports.gateway)) && (await canListen(ports.host)),
        'old sshd gone',
      );
      machine = await startMachine();
      expect(alive(tree).length).toBeGreaterThanOrEqual(3);
      await endSession(person);
      expect(alive(tree)).toEqual([]);
    });
  },
);

const alive = (tree: readonly ProcessId[]) => tree.filter((one) => readSameProcess(one) !== undefined);

async function openLoop(account: string): Promise<{ person: Person; tree: ProcessId[] }> {
  const person = await createPerson(authority, world.folder, account);
  const running = startSsh(person, [
    '-p',
    String(ports.host),
    `${login}@127.0.0.1`,
    'while date; do sleep 0.2; done',
  ]);
  await running.waitForOutput(/\d/);
  const report = await authority.waitForReport(({ connections }) =>
    connections.some(({ session_id }) => session_id === person.sessionId),
  );
  const { key = '' } = report.connections.find(({ session_id }) => session_id === person.sessionId) ?? {};
  const [, pid, startTime = ''] = key.split(':');
  const monitor = { pid: Number(pid), startTime };
  monitors.push(monitor);
  return { person, tree: [monitor, ...processTree(monitor, readProcesses()).descendants] };
}

async function endSession(person: Person): Promise<void> {
  authority.revoked.push(person.serial);
  const version = authority.push({ krl: true });
  await authority.waitForAcknowledgement((found) => found.version === version && found.connections_ended > 0);
}
