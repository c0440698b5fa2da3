/**
 * Two gateways, three targets, and people's machines on a network of their own; every gateway and host is installed by
 * the program's own commands on an /etc that it may change, beside Debian's stock sshd.
 */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { inTransaction } from '../../src/database/transaction.ts';
import { quickKeyExchange } from '../../src/dev/local-sshd.ts';
import { createApp } from '../../src/inventory/app.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import { createEnvironment } from '../../src/inventory/environment.ts';
import { createInstance } from '../../src/inventory/instance.ts';
import { hasNames } from '../gateway/test-world.ts';
import type { Finished, Machine } from './machine.ts';
import { Network } from './network.ts';
import { PersonAtMachine, type ReachedHost } from './person.ts';
import { NetworkServer } from './server.ts';

export const canMakeNetworks =
  hasNames &&
  ['/sbin/ip', '/usr/bin/nsenter', '/usr/bin/openssl'].every((program) => existsSync(program)) &&
  spawnSync('/usr/bin/unshare', ['--net', '--mount', '/bin/true']).status === 0;

const program = join(import.meta.dirname, '../../bin/sallyport.js');
export const appLogin = 'app';

export interface RunningMachine {
  readonly machine: Machine;
  readonly companionId: string;
  readonly kind: 'gateway' | 'host';
  readonly name: string;
  companion: ChildProcess | undefined;
  sshd: ChildProcess | undefined;
  /** What the companion and sshd said. */
  readonly log: string[];
}

export class NetworkWorld {
  readonly network: Network;
  readonly server: NetworkServer;
  readonly gateways: RunningMachine[] = [];
  readonly hosts: RunningMachine[] = [];
  readonly reached: ReachedHost[] = [];
  readonly targets = ['shop-production--api', 'shop-production--db', 'shop-staging--web'] as const;

  private constructor(network: Network, server: NetworkServer) {
    this.network = network;
    this.server = server;
  }

  static async open(): Promise<NetworkWorld> {
    const network = await Network.open();
    const server = await NetworkServer.start(network);
    const world = new NetworkWorld(network, server);
    try {
      await world.#fill();
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  async #fill(): Promise<void> {
    const { database, shop } = this.server.test;
    const { organizationId, projectId, environmentId: productionId } = shop;
    const [first, second] = [
      await this.network.machine('gate1', 11),
      await this.network.machine('gate2', 12),
    ];
    const places = [21, 22, 23].map((place, index) => ({ place, name: `box${index + 1}` }));
    const boxes = await Promise.all(places.map(({ place, name }) => this.network.machine(name, place)));
    const ids = await inTransaction(database.db, async (tx) => {
      const stagingId = await createEnvironment(tx, { projectId, slug: 'staging', kind: 'staging' });
      const companion = async (machine: Machine, kind: 'gateway' | 'host') =>
        await createCompanion(tx, {
          organizationId,
          kind,
          name: machine.name,
          address: machine.address,
          port: 22,
          gatewayLogin: null,
          environmentIds: kind === 'gateway' ? [productionId, stagingId] : [],
        });
      const gateways = [await companion(first, 'gateway'), await companion(second, 'gateway')];
      const hosts: string[] = [];
      const apps = [
        ['api', productionId],
        ['db', productionId],
        ['web', stagingId],
      ] as const;
      for (const [index, [slug, environmentId]] of apps.entries()) {
        const box = boxes[index];
        if (box === undefined) continue;
        const hostId = await companion(box, 'host');
        hosts.push(hostId);
        const appId = await createApp(tx, { environmentId, slug });
        const { address } = box;
        await createInstance(tx, { appId, instanceSlug: null, address, port: 22, login: appLogin, hostId });
      }
      return { gateways, hosts };
    });
    const running = (kind: 'gateway' | 'host', companions: readonly string[], machines: readonly Machine[]) =>
      machines.map(
        (machine, index): RunningMachine => ({
          machine,
          companionId: companions[index] ?? '',
          kind,
          name: machine.name,
          companion: undefined,
          sshd: undefined,
          log: [],
        }),
      );
    this.gateways.push(...running('gateway', ids.gateways, [first, second]));
    this.hosts.push(...running('host', ids.hosts, boxes));
    for (const box of boxes) {
      const shell = ['--create-home', '--home-dir', `/home/${appLogin}`, '--shell', '/bin/bash', appLogin];
      await box.must(['/usr/sbin/useradd', ...shell]);
    }
    const all = [...this.gateways, ...this.hosts];
    for (const one of all) {
      await this.server.introduce(one.machine);
      await this.install(one);
    }
    // What install left is in force already.
    await Promise.all(all.map((one) => this.start(one)));
    const reached = (name: string, machine: Machine) => ({
      name,
      address: machine.address,
      port: 22,
      certifiedName: `${machine.name}.sallyport`,
    });
    this.reached.push(
      ...this.gateways.map(({ machine }) => reached(machine.name, machine)),
      ...boxes.map((machine, index) => ({
        ...reached(this.targets[index] ?? '', machine),
        certifiedName: `${this.targets[index]}.sallyport`,
      })),
    );
  }

  /** Types `sallyport gateway install` there. */
  async install(
    { machine, kind, companionId }: RunningMachine,
    more: readonly string[] = [],
  ): Promise<string> {
    const { database } = this.server.test;
    const token = await inTransaction(database.db, (tx) =>
      createEnrolmentToken(tx, companionId, { now: new Date(), lifetimeSeconds: 600 }),
    );
    const arguments_ = [kind, 'install', '--server', this.server.url, ...more];
    return await machine.must([process.execPath, program, ...arguments_], { input: `${token}\n` });
  }

  async start(one: RunningMachine): Promise<void> {
    await this.startCompanion(one);
    await this.startSshd(one);
  }

  /** Resolves when it answers for its sshd, from what it had or from what the server sent. */
  async startCompanion(one: RunningMachine, more: readonly string[] = []): Promise<void> {
    const child = one.machine.spawn([process.execPath, program, one.kind, 'run', ...more], {
      // A process session of its own, as init would give it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    one.companion = child;
    await said(child, one.log, /companion\.started/);
  }

  async startSshd(one: RunningMachine): Promise<void> {
    const child = one.machine.spawn(['/usr/sbin/sshd', '-D', '-e', quickKeyExchange], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    one.sshd = child;
    await said(child, one.log, /Server listening/);
  }

  /** Ends the program of the machine, as a power cut would. */
  async kill(one: RunningMachine, which: 'companion' | 'sshd'): Promise<void> {
    const child = one[which];
    one[which] = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async sallyport(one: RunningMachine, ...args: readonly string[]): Promise<Finished> {
    return await one.machine.run([process.execPath, program, one.kind, ...args]);
  }

  /** Somebody with a certificate and a role, at this machine, of whom every companion has heard. */
  async person(name: string, machine: Machine): Promise<PersonAtMachine> {
    const person = await this.server.test.person(name, 'contributor');
    const there = new PersonAtMachine(person, machine);
    await there.certify(this.server.test);
    await there.configure(this.server.test, this.reached);
    await this.allHaveHeard();
    return there;
  }

  /** Resolves when every companion has put the present state in force. */
  async allHaveHeard(): Promise<void> {
    const { db } = this.server.test.database;
    for (;;) {
      const behind = await db
        .selectFrom('companions')
        .innerJoin('state_version', (join) => join.onTrue())
        .select('companions.name')
        .where('companions.enrolled_at', 'is not', null)
        .where((where) =>
          where.or([
            where('companions.acknowledged_version', 'is', null),
            where('companions.acknowledged_version', '<', where.ref('state_version.version')),
          ]),
        )
        .execute();
      if (behind.length === 0) return;
      await wait(20);
    }
  }

  /** Companions that were cut off wait a while before they try again; ones that start do not. */
  async restartCompanions(): Promise<void> {
    await Promise.all(
      [...this.gateways, ...this.hosts].map(async (one) => {
        await this.kill(one, 'companion');
        await this.startCompanion(one);
      }),
    );
  }

  async close(): Promise<void> {
    await this.server.close();
    await this.network.close();
  }
}

/** Resolves at the first line like this. @throws all that it said, if it ends before */
async function said(child: ChildProcess, log: string[], wanted: RegExp): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const hear = (text: string): void => {
      log.push(text);
      if (wanted.test(text)) resolve();
    };
    child.stdout?.setEncoding('utf8').on('data', hear);
    child.stderr?.setEncoding('utf8').on('data', hear);
    child.once('exit', (code) => reject(new Error(`ended with ${code}:\n${log.join('')}`)));
  });
}
