/**
 * The agent with the demo behind it: its server, its gateway and host with their companions, and the programs that people
 * have. Every one of them is shown nothing but SSH_AUTH_SOCK.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { askStatus } from '../../../src/cli/agent/status.ts';
import { runAsync, type SallyResult } from '../person.ts';
import { ReachWorld } from '../reach/reach-world.ts';

let world: ReachWorld;
let socket: string;
let agent: Promise<SallyResult>;
/** The person's config, by which ssh has our agent and no files at all. */
let config: string;
const target = 'shop-staging--web--one.sallyport';
const hostName = 'web-1';

beforeAll(async () => {
  world = await ReachWorld.open();
  const { paths, home } = world.alice.machine;
  socket = join(paths.folder, 'agent.sock');
  await startAgent([]);
  config = join(home, 'agent-only');
  const ours = readFileSync(paths.config, 'utf8')
    .split('\n')
    .filter((line) => !/identity\.conf|IdentitiesOnly|^Match host/.test(line));
  writeFileSync(config, ours.join('\n'));
});
afterAll(async () => {
  await world.alice.sally(['agent', 'stop']);
  await agent;
  await world.close();
});

async function startAgent(flags: readonly string[]): Promise<void> {
  const { PATH = '' } = process.env;
  agent = world.alice.sally(['agent', 'start', ...flags], {
    environment: { forPrograms: { PATH } },
  });
  await vi.waitFor(async () => expect(await askStatus(socket)).toBeDefined(), 5000);
}

const environment = () => ({ SSH_AUTH_SOCK: socket, HOME: world.alice.machine.home });

function ssh(...args: string[]): Promise<SallyResult> {
  return runAsync('ssh', ['-T', '-F', config, '-o', 'BatchMode=yes', ...args], environment());
}

async function held(): Promise<(string | null)[]> {
  const status = await askStatus(socket);
  return typeof status === 'object' ? status.certificates.map(({ machine }) => machine) : [];
}

describe('ssh and its relatives', () => {
  test('log in with certificates that are good for one machine alone, on the way and at its end', async () => {
    expect(await ssh(target, 'id -un')).toMatchObject({ code: 0, stdout: 'staging\n' });
    expect((await held()).sort()).toEqual(['gateway', hostName]);
    const issued = await world.db
      .selectFrom('certificates')
      .innerJoin('companions', 'companions.id', 'certificates.companion_id')
      .select(['companions.name', 'principals'])
      .where('certificates.kind', '=', 'user')
      .orderBy('companions.name')
      .execute();
    expect(issued).toEqual([
      { name: 'gateway', principals: ['at:gateway'] },
      { name: hostName, principals: [`at:${hostName}`] },
    ]);
  });

  test('come through the gateway that sees the session, which takes them on', async () => {
    const relayed = await ssh('shop-staging--web--one@gateway.sallyport', 'id -un');
    expect(relayed).toMatchObject({ code: 0, stdout: 'staging\n' });
    expect((await held()).sort()).toEqual(['gateway', hostName]);
  });

  test('scp, sftp and git do as ssh does', async () => {
    const { home } = world.alice.machine;
    writeFileSync(join(home, 'file'), 'some text\n');
    const options = ['-F', config, '-o', 'BatchMode=yes'];
    const folder = (await ssh(target, 'mktemp -d')).stdout.trim();
    expect(
      await runAsync('scp', ['-q', ...options, join(home, 'file'), `${target}:${folder}/`], environment()),
    ).toMatchObject({
      code: 0,
    });
    expect((await ssh(target, `cat ${folder}/file && git init -q ${folder}/app.git`)).stdout).toBe(
      'some text\n',
    );
    const sftp = await runAsync(
      'sftp',
      ['-q', ...options, `${target}:${folder}/file`, join(home, 'back')],
      environment(),
    );
    expect(sftp.code).toBe(0);
    expect(readFileSync(join(home, 'back'), 'utf8')).toBe('some text\n');
    const cloned = await runAsync('git', ['clone', '-q', `${target}:${folder}/app.git`, join(home, 'app')], {
      ...environment(),
      GIT_SSH_COMMAND: `ssh -F ${config}`,
    });
    expect(cloned).toMatchObject({ code: 0 });
    await ssh(target, `rm -rf ${folder}`);
  });
});

describe('programs that do not say where they are', () => {
  const port = () => String(world.demo.dev.ports.gateway);
  const relayed = 'shop-staging--web--one';

  test('PuTTY logs in with the certificate that is good everywhere', async () => {
    const hostKey = `${world.machines.gateway.paths.hostKey}.pub`;
    const [, fingerprint = ''] = (await runAsync('ssh-keygen', ['-lf', hostKey])).stdout.split(' ');
    const where = ['-P', port(), '-l', relayed, '-hostkey', fingerprint, '127.0.0.1'];
    const ran = await runAsync('plink', ['-batch', '-agent', '-noshare', ...where, 'id -un'], environment());
    expect(ran).toMatchObject({ code: 0, stdout: 'staging\n' });
    expect(await held()).toContain(null);
  });

  test('paramiko does, too', async () => {
    const [type = '', base64 = ''] = readFileSync(
      `${world.machines.gateway.paths.hostKey}.pub`,
      'utf8',
    ).split(' ');
    const script = `
import base64, sys, warnings
warnings.simplefilter("ignore")
import paramiko
client = paramiko.SSHClient()
key = paramiko.Ed25519Key(data=base64.b64decode(sys.argv[3]))
client.get_host_keys().add("[127.0.0.1]:" + sys.argv[1], "${type}", key)
client.connect("127.0.0.1", port=int(sys.argv[1]), username=sys.argv[2], look_for_keys=False)
print(client.exec_command("id -un")[1].read().decode(), end="")
client.close()
`;
    const ran = await runAsync('/usr/bin/python3', ['-c', script, port(), relayed, base64], environment());
    expect(ran).toEqual({ code: 0, stdout: 'staging\n', stderr: '' });
  });
});
