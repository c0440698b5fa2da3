/**
 * `sallyport host install` on an ordinary server with Debian's stock sshd, two logins and no gateway anywhere: who gets
 * in as whom, what a second factor has to do with it, and what people read who don't. The companion is the one file that
 * `npm run build:sally` makes, so that it is run as a whole here.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { createApp } from '../../src/inventory/app.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import { createEnvironment } from '../../src/inventory/environment.ts';
import { createInstance } from '../../src/inventory/instance.ts';
import type { Role } from '../../src/policy/facts.ts';
import type { Finished, Machine } from './machine.ts';
import { Network } from './network.ts';
import { PersonAtMachine } from './person.ts';
import { NetworkServer } from './server.ts';
import { canMakeNetworks } from './world.ts';

const root = join(import.meta.dirname, '../..');
/** Where the installation keeps it. */
const kept = '/var/lib/sallyport-programs/companion';
let built: string;
/** Resolves to the file; the machines are made meanwhile. */
let building: Promise<string>;

beforeAll(async () => {
  built = await mkdtemp(join(tmpdir(), 'sallyport-companion-'));
  const args = ['build/build-sally.ts', '--program', 'sallyport-companion', '--out', built];
  building = promisify(execFile)(process.execPath, args, { cwd: root }).then(async () => {
    const [name = '', ...others] = await readdir(built);
    expect([name, others]).toEqual([expect.stringMatching(/^sallyport-companion-[0-9.]+-linux-/), []]);
    return join(built, name);
  });
  building.catch(() => {});
});
afterAll(() => rm(built, { recursive: true }));

test('the companion is one file, which runs where there is no Node', async () => {
  const env = { PATH: '/nonexistent' };
  const { stdout } = await promisify(execFile)(await building, ['host', 'install', '--help'], { env });
  expect(stdout).toContain('--with-host-key');
});

/** Login -> the target that it is. */
const targets = {
  app: 'shop-production--front',
  reports: 'shop-production--reports',
  stage: 'shop-staging--front',
};

describe.runIf(canMakeNetworks)('an ordinary server, after sallyport host install', () => {
  let network: Network;
  let server: NetworkServer;
  let box: Machine;
  let laptop: Machine;
  let told: string;
  const log: string[] = [];

  beforeAll(async () => {
    network = await Network.open();
    server = await NetworkServer.start(network);
    box = await network.machine('web-1', 21);
    laptop = await network.machine('laptop', 31);
    const { database, shop } = server.test;
    const { organizationId, projectId, environmentId } = shop;
    const token = await inTransaction(database.db, async (tx) => {
      const place = { organizationId, kind: 'host' as const, name: 'web-1', address: box.address, port: 22 };
      const hostId = await createCompanion(tx, { ...place, gatewayLogin: null, environmentIds: [] });
      const stagingId = await createEnvironment(tx, { projectId, slug: 'staging', kind: 'staging' });
      for (const [login, inEnvironment, slug, sshRole] of [
        ['app', environmentId, 'front', 'contributor'],
        ['reports', environmentId, 'reports', 'admin'],
        ['stage', stagingId, 'front', 'viewer'],
      ] as const) {
        const appId = await createApp(tx, { environmentId: inEnvironment, slug, sshRole });
        const instance = { instanceSlug: null, address: box.address, port: 22, login, hostId };
        await createInstance(tx, { appId, ...instance });
      }
      return await createEnrolmentToken(tx, hostId, { now: new Date(), lifetimeSeconds: 600 });
    });
    for (const login of [...Object.keys(targets), 'other']) {
      await box.must(['/usr/sbin/useradd', '--create-home', '--shell', '/bin/sh', login]);
    }
    // A way in of before, which the installation closes.
    const authorized = '/home/app/.ssh/authorized_keys';
    await laptop.must(['/usr/bin/ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', '/root/old']);
    await box.write(authorized, await laptop.read('/root/old.pub'), '0600');
    await box.must(['/bin/chown', '-R', 'app:', '/home/app/.ssh']);

    await server.introduce(box);
    const install = [await building, 'host', 'install', '--server', server.url];
    told = await box.must(install, { input: `${token}\n` });
    await run([kept, 'host', 'run'], /companion\.started/);
    await run(['/usr/sbin/sshd', '-D', '-e'], /Server listening/);
  });
  afterAll(async () => {
    await server?.close();
    await network?.close();
  });

  /** Starts a program of the server that goes on. @throws all that it said, if it ends before it says this */
  async function run(command: readonly string[], wanted: RegExp): Promise<void> {
    const child = box.spawn(command, { stdio: ['ignore', 'pipe', 'pipe'] });
    await new Promise<void>((resolve, reject) => {
      const hear = (text: string) => {
        log.push(text);
        if (wanted.test(text)) resolve();
      };
      child.stdout?.setEncoding('utf8').on('data', hear);
      child.stderr?.setEncoding('utf8').on('data', hear);
      child.once('exit', (code) => reject(new Error(`${command[0]} ended with ${code}:\n${log.join('')}`)));
    });
  }

  async function person(
    name: string,
    role: Role | null,
    session: object = { acr: null },
  ): Promise<PersonAtMachine> {
    const { test: world } = server;
    const someone = await world.person(name, role);
    await world.database.db
      .updateTable('login_sessions')
      .set(session)
      .where('id', '=', someone.sessionId)
      .execute();
    const there = new PersonAtMachine(someone, laptop);
    await there.certify(world);
    const machine = { name: 'web-1', address: box.address, port: 22, certifiedName: 'web-1.sallyport' };
    await there.configure(world, [machine]);
    await heard();
    return there;
  }

  /** Resolves when the companion has put the present state in force. */
  async function heard(): Promise<void> {
    const { db } = server.test.database;
    const { version } = await db.selectFrom('state_version').select('version').executeTakeFirstOrThrow();
    for (;;) {
      const { acknowledged_version: has } = await db
        .selectFrom('companions')
        .select('acknowledged_version')
        .where('name', '=', 'web-1')
        .executeTakeFirstOrThrow();
      if (has !== null && BigInt(has) >= BigInt(version)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  const whoami = (someone: PersonAtMachine, login: string): Promise<Finished> =>
    someone.ssh([`${login}@web-1`, 'id -un']);
  const refusal = (finished: Finished) => ({
    status: finished.status,
    stdout: finished.stdout,
    lines: finished.stderr.split('\n').filter((line) => line !== ''),
  });

  test('has no gateway, and says what it wrote', async () => {
    const gateways = await server.test.database.db
      .selectFrom('companions')
      .select('name')
      .where('kind', '=', 'gateway')
      .where('enrolled_at', 'is not', null)
      .execute();
    expect(gateways).toEqual([]);
    expect(told).toContain('Enrolled as host web-1');
    expect(told).toContain('00-sallyport.conf');
    expect(told).toContain(`Now start the companion, and keep it running: ${kept} host run`);
    await box.must(['/usr/bin/cmp', await building, kept]);
  });

  test('lets each person in as the logins of the targets that they may reach, and as no other', async () => {
    const [carla, oskar] = [await person('carla', 'contributor'), await person('oskar', 'admin')];
    expect(await whoami(carla, 'app')).toMatchObject({ status: 0, stdout: 'app\n' });
    expect(await whoami(carla, 'stage')).toMatchObject({ status: 0, stdout: 'stage\n' });
    expect(await whoami(oskar, 'reports')).toMatchObject({ status: 0, stdout: 'reports\n' });
    expect(refusal(await whoami(carla, 'reports'))).toEqual({
      status: 1,
      stdout: '',
      lines: [
        'Error: Access denied',
        `Service: ${targets.reports}`,
        `User: ${carla.person.account}`,
        'Detail: SSH here needs the role admin; yours is contributor. Ask an admin for the role.',
      ],
    });
    for (const login of ['root', 'other', 'nobody-at-all']) {
      const { status, stderr } = await whoami(oskar, login);
      expect([login, status, stderr]).toEqual([
        login,
        255,
        expect.stringContaining('Permission denied (publickey)'),
      ]);
    }
  });

  test('gives somebody without a role no word at all, on any login', async () => {
    const nora = await person('nora', null);
    for (const login of Object.keys(targets)) {
      const { status, stdout, stderr } = await whoami(nora, login);
      expect([status, stdout]).toEqual([255, '']);
      expect(stderr).not.toContain('shop');
    }
  });

  test('wants the second factor where the environment does, and says what to run', async () => {
    const paul = await person('paul', 'contributor', {
      mfa: false,
      mfa_by: null,
      mfa_methods: [],
      amr: ['pwd'],
    });
    expect(await whoami(paul, 'stage')).toMatchObject({ status: 0, stdout: 'stage\n' });
    expect(refusal(await whoami(paul, 'app'))).toEqual({
      status: 1,
      stdout: '',
      lines: [
        'Error: Access denied',
        `Service: ${targets.app}`,
        `User: ${paul.person.account}`,
        'Parameters: {"amr":["mfa"]}',
        'Detail: The environment production wants a login with a second factor; this login had none.',
        'Run: sally login --mfa',
      ],
    });
  });

  test('wants it as fresh as the environment does', async () => {
    const early = new Date(Date.now() - 16 * 60_000);
    const rita = await person('rita', 'contributor', { auth_time: early, mfa_time: early });
    expect(refusal(await whoami(rita, 'app')).lines).toEqual([
      'Error: Access denied',
      `Service: ${targets.app}`,
      `User: ${rita.person.account}`,
      'Parameters: {"amr":["mfa"],"max_age":900}',
      'Detail: The environment production wants a second factor of the last 15 minutes; yours is older.',
      'Run: sally login --mfa --max-age 900',
    ]);
    expect(await whoami(rita, 'stage')).toMatchObject({ status: 0 });
  });

  test('lets nobody in with a key of before', async () => {
    const someone = await person('anton', 'contributor');
    const old = ['-i', '/root/old', '-o', 'CertificateFile=none', '-o', 'IdentityFile=/root/old'];
    const { status, stderr } = await laptop.run([
      ...['/usr/bin/ssh', '-F', 'none', ...old, '-o', 'BatchMode=yes', '-o', 'HostKeyAlias=web-1.sallyport'],
      ...['-o', `UserKnownHostsFile=${someone.folder}/known_hosts`, `app@${box.address}`, 'true'],
    ]);
    expect([status, stderr]).toEqual([255, expect.stringContaining('Permission denied')]);
  });

  test('ends what runs when the session is ended, and lets nobody in again', async () => {
    const mara = await person('mara', 'contributor');
    const admin = await server.test.person('olga', 'admin');
    const child = laptop.spawn([
      ...['/usr/bin/ssh', ...mara.options, 'app@web-1', 'while :; do echo tick; sleep 0.1; done'],
    ]);
    const ended = once(child, 'exit');
    if (child.stdout) await once(child.stdout, 'data');
    child.stdout?.resume();
    child.stderr?.resume();
    const reply = await server.test.call('POST', `/v1/sessions/${mara.person.sessionId}/revoke`, {
      as: admin,
    });
    expect(reply.statusCode).toBe(200);
    await ended;
    expect(await whoami(mara, 'app')).toMatchObject({ status: 255, stdout: '' });
  });
});
