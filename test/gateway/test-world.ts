/** A CA with demo people, and local machines beside it, all of which a test file ends with `close`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canGenerateNames } from '../../src/dev/local-sshd-namespace.ts';
import type { LogEntry } from '../../src/gateway/log.ts';
import { findPrograms, isProgram } from '../../src/gateway/programs.ts';
import { type LocalMachine, type LocalMachineOptions, startLocalMachine } from './local-machine.ts';
import { freePort } from './ssh-client.ts';
import { type TargetDocument, TestAuthority } from './test-authority.ts';

export const hasSshd = isProgram('/usr/sbin/sshd') && isProgram('/usr/bin/curl');
export const hasNames = hasSshd && canGenerateNames();

export const alice = 'alice@example.com';
export const bob = 'bob@example.com';
export const carol = 'carol@example.com';
export const mallory = 'mallory@other.example';

/** The login of the target's instances where names can be generated. */
export const appLogin = 'app';

export const web: TargetDocument = {
  targetName: 'shop-production--web',
  organization: 'example',
  project: 'shop',
  environment: 'production',
  app: 'web',
  environmentKind: 'production',
  mfaRequired: true,
  mfaMaxAgeSeconds: 900,
  mfaEnforcement: 'start',
  maxConnectionSeconds: null,
  idleTimeoutSeconds: null,
  peopleOnly: false,
  accessMode: 'both',
  sshRole: 'contributor',
  sshEnabled: { organization: true, project: true, environment: true, app: true },
  forwarding: { local: true, remote: false, agent: false },
  state: 'running',
  address: '127.0.0.1',
  port: 1,
  login: appLogin,
  gatewayUid: 600_001,
  nodeNumber: 100_001,
  instance: null,
  instanceKind: 'instance',
  instanceRole: null,
  host: null,
  folder: null,
  envFile: null,
  journalUnit: null,
};

export class TestWorld {
  readonly authority = new TestAuthority();
  readonly logged: LogEntry[] = [];
  folder = '';
  #machines: LocalMachine[] = [];

  async open(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
    await this.authority.start();
    const person = (name: string) => ({
      name,
      organization: name === mallory ? 'other' : 'example',
      disabled: false,
      groups: [],
    });
    this.authority.accounts = [alice, bob, carol, mallory].map(person);
    this.authority.rules = [alice, bob, carol].map((account) => ({
      subject: { account },
      role: 'contributor',
      organization: 'example',
      project: null,
      environment: null,
      expiresAtSeconds: null,
    }));
    this.authority.targets = [web];
  }

  async startMachine(
    kind: 'gateway' | 'host',
    options: Partial<LocalMachineOptions> = {},
    gatewayLogin: string | null = null,
  ): Promise<{ machine: LocalMachine; port: number }> {
    const port = options.port ?? (await freePort());
    const machine = await startLocalMachine({
      kind,
      folder: join(this.folder, kind),
      address: '127.0.0.1',
      port,
      serverUrl: this.authority.url,
      token: async () => this.authority.token(kind, kind, gatewayLogin),
      programs: findPrograms(),
      clock: () => new Date(),
      log: (entry) => this.logged.push(entry),
      names: 'target-names',
      login: appLogin,
      answerSeconds: 10,
      companion: {
        intervals: { processesMilliseconds: 50, filesMilliseconds: 100 },
        feed: { pauses: { firstMilliseconds: 10, longestMilliseconds: 100 } },
      },
      ...options,
    });
    this.#machines.push(machine);
    return { machine, port };
  }

  async close(): Promise<void> {
    for (const machine of this.#machines) await machine.stop();
    await this.authority.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
