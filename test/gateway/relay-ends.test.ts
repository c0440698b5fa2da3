/** A relayed connection ends whole: at the gateway, at the host, and what runs in it. */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ProcessId, readTitle } from '../../src/gateway/proc.ts';
import { alive, treesAt } from './connection-trees.ts';
import { RelayWorld } from './relay-world.ts';
import { type Person, runSsh, until } from './ssh-client.ts';
import { hasTerminals, Terminal } from './terminal.ts';
import { hasNames, web } from './test-world.ts';

const world = new RelayWorld();
const { authority } = world;
beforeAll(async () => {
  if (hasNames) await world.open();
});
afterEach(() => world.killStarted());
afterAll(() => world.close());

const at = (...command: string[]) => world.at(web.targetName, ...command);
const loop = 'while date; do sleep 0.2; done';

async function bothTrees(person: Person): Promise<ProcessId[]> {
  const gateway = await treesAt(world.gateway, authority, person);
  return [...gateway, ...(await treesAt(world.host, authority, person))];
}

/** Ends the session as the CA would; resolves when nothing of the trees is left. */
async function endsWhole(person: Person, tree: readonly ProcessId[]): Promise<void> {
  authority.revoked.push(person.serial);
  authority.endedSessions.push(person.sessionId);
  const version = authority.push({ krl: true });
  await authority.waitForAcknowledgement((found) => found.version === version && found.connections_ended > 0);
  await until(() => alive(tree).length === 0, 'the end of everything');
}

describe.skipIf(!hasNames)('with its session ends (needs root, sshd, curl, libnss-extrausers)', () => {
  test('a relayed loop without a terminal', async () => {
    const person = await world.person();
    const running = world.start(person, at(loop));
    await running.waitForOutput(/\d/);
    const tree = await bothTrees(person);
    expect(tree.length).toBeGreaterThan(6);
    await endsWhole(person, tree);
    expect((await running.ended).status).not.toBe(0);
  });

  test('a relayed command that says nothing and ignores being hung up', async () => {
    const person = await world.person();
    const running = world.start(person, at("trap '' HUP TERM PIPE; echo up; while :; do sleep 1; done"));
    await running.waitForOutput(/up/);
    await endsWhole(person, await bothTrees(person));
  });

  test('a relayed sftp', async () => {
    const person = await world.person();
    const running = world.start(person, ['-s', ...at('sftp')]);
    // SSH_FXP_INIT of version 3; the answer is SSH_FXP_VERSION.
    running.child.stdin?.write(Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]));
    await running.waitForOutput(/\u0002/);
    await endsWhole(person, await bothTrees(person));
    expect((await running.ended).status).not.toBe(0);
  });

  test('a connection that only holds the gateway open (-N)', async () => {
    const person = await world.person();
    const running = world.start(person, ['-N', ...at()]);
    const tree = await treesAt(world.gateway, authority, person);
    await endsWhole(person, tree);
    expect((await running.ended).status).not.toBe(0);
  });

  test('a ControlMaster with all its sessions', async () => {
    const person = await world.person();
    const socket = join(person.folder, 'control');
    const master = world.start(person, ['-M', '-S', socket, ...at(loop)]);
    await master.waitForOutput(/\d/);
    const second = world.start(person, ['-S', socket, ...at(loop)]);
    await second.waitForOutput(/\d/);
    await until(async () => (await treesAt(world.host, authority, person)).length > 0, 'the host reports');
    const tree = await bothTrees(person);
    await endsWhole(person, tree);
    expect((await second.ended).status).not.toBe(0);
    expect((await master.ended).status).not.toBe(0);
  });

  test.skipIf(!hasTerminals)('a relayed terminal', async () => {
    const person = await world.person();
    const terminal = Terminal.open(person, ['-t', ...at(loop)]);
    world.started.push(terminal);
    await terminal.waitForOutput(/\d/);
    await endsWhole(person, await bothTrees(person));
    expect((await terminal.ended).status).not.toBe(0);
  });
});

describe.skipIf(!hasNames)('a relayed connection (needs root, sshd, curl, libnss-extrausers)', () => {
  test('ends at both ends when its client is killed', async () => {
    const person = await world.person();
    const running = world.start(person, at(loop));
    await running.waitForOutput(/\d/);
    const tree = await bothTrees(person);
    running.child.kill('SIGKILL');
    await until(() => alive(tree).length === 0, 'the end of everything');
  });

  test('leaves no second leg behind when its client is killed while nothing is said', async () => {
    const person = await world.person();
    const running = world.start(person, at('echo up; exec sleep 61'));
    await running.waitForOutput(/up/);
    const tree = await treesAt(world.gateway, authority, person);
    expect(tree.map(({ pid }) => readTitle(pid))).toContainEqual(expect.stringMatching(/^\/usr\/bin\/ssh /));
    running.child.kill('SIGKILL');
    await until(() => alive(tree).length === 0, 'the end of the second leg');
    // As behind a stock sshd, a command without a terminal may outlive its client; its session ends it.
    authority.endedSessions.push(person.sessionId);
    await world.pushed();
  });

  test('ends when the environment takes jumps only, and the way is told', async () => {
    const person = await world.person();
    const running = world.start(person, at(loop));
    await running.waitForOutput(/\d/);
    const tree = await bothTrees(person);
    authority.targets = [world.target({ accessMode: 'jump' })];
    authority.push();
    await until(() => alive(tree).length === 0, 'the end of everything');
    const ran = await runSsh(person, at('true'));
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toContain('lets nobody through a gateway that sees the session');
    expect(ran.stderr).toContain(`ssh -J ${web.targetName}@gateway.sallyport -p ${world.host.port} `);
    await world.install();
    expect((await runSsh(person, at('true'))).status).toBe(0);
  });

  test('is the only way where the environment takes relayed ones only, and jumps end', async () => {
    const jump = ['-J', `${web.targetName}@127.0.0.1:${world.gateway.port}`, '-p', String(world.host.port)];
    const person = await world.person();
    const jumping = world.start(person, [...jump, 'app@127.0.0.1', loop]);
    await jumping.waitForOutput(/\d/);
    const tree = await treesAt(world.gateway, authority, person);
    await world.install({ accessMode: 'relay' });
    await until(() => alive(tree).length === 0, 'the end of the jump');
    expect(await runSsh(person, [...jump, 'app@127.0.0.1', 'true'])).toMatchObject({
      status: 255,
      stdout: '',
    });
    expect((await runSsh(person, at('true'))).status).toBe(0);
    await world.install();
  });

  test('is reported as relayed to its target, a jump as a jump', async () => {
    const reported = async (args: readonly string[]) => {
      const person = await world.person();
      const running = world.start(person, args);
      await running.waitForOutput(/\d/);
      const isOurs = ({ session_id }: { session_id: string }) => session_id === person.sessionId;
      const ours = () => authority.reports.flatMap(({ connections }) => connections.filter(isOurs));
      await until(() => new Set(ours().map(({ key }) => key)).size > 1, 'reports of both machines');
      running.child.kill('SIGKILL');
      return new Set(ours().map(({ way, target }) => `${way} ${target}`));
    };
    expect(await reported(at(loop))).toEqual(new Set([`relay ${web.targetName}`]));
    const jump = ['-J', `${web.targetName}@127.0.0.1:${world.gateway.port}`, '-p', String(world.host.port)];
    expect(await reported([...jump, 'app@127.0.0.1', loop])).toEqual(
      new Set([`jump ${web.targetName}`, `host ${web.targetName}`]),
    );
  });
});
