/** A gateway that takes people on to a host, on this machine: what the tests of relayed connections begin with. */
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import type { LocalMachine, LocalMachineOptions } from './local-machine.ts';
import { createPerson, type Person, type RunningSsh, startSsh } from './ssh-client.ts';
import type { TargetDocument, UserCertificateOptions } from './test-authority.ts';
import { alice, TestWorld, web } from './test-world.ts';

interface Machine {
  readonly machine: LocalMachine;
  readonly port: number;
}

export class RelayWorld extends TestWorld {
  readonly started: RunningSsh[] = [];
  /** What both sshds are configured for. */
  readonly forwarding: NonNullable<LocalMachineOptions['forwarding']> = {
    remoteForwarding: true,
    agentForwarding: true,
  };
  #gateway: Machine | undefined;
  #host: Machine | undefined;

  get gateway(): Machine {
    if (this.#gateway) return this.#gateway;
    throw new Error('not open');
  }

  get host(): Machine {
    if (this.#host) return this.#host;
    throw new Error('not open');
  }

  override async open(): Promise<void> {
    await super.open();
    this.authority.hopCa = generateEd25519();
    const { forwarding } = this;
    this.#host = await this.startMachine('host', { forwarding, ...this.hostOptions() });
    this.authority.targets = [this.target()];
    this.authority.push();
    this.#gateway = await this.startMachine('gateway', { forwarding, ...this.gatewayOptions() });
  }

  /** What the host has beside that. */
  hostOptions(): Partial<LocalMachineOptions> {
    return {};
  }

  /** What the gateway has beside that. */
  gatewayOptions(): Partial<LocalMachineOptions> {
    return {};
  }

  /** The target on the host. */
  target(change: Partial<TargetDocument> = {}): TargetDocument {
    return { ...web, host: 'host', port: this.host.port, ...change };
  }

  /** Resolves when both machines have it. */
  async install(change: Partial<TargetDocument> = {}): Promise<void> {
    this.authority.targets = [this.target(change)];
    await this.pushed();
  }

  async pushed(options: { krl?: boolean } = {}): Promise<string> {
    const version = this.authority.push(options);
    const those = () => this.authority.acknowledgements.filter((found) => found.version === version);
    await this.authority.waitForAcknowledgement(() => those().length > 1);
    return version;
  }

  async person(account = alice, options: Partial<UserCertificateOptions> = {}): Promise<Person> {
    return await createPerson(this.authority, this.folder, account, options);
  }

  /** Arguments of ssh for the gateway. */
  at(name: string = web.targetName, ...command: string[]): string[] {
    return ['-p', String(this.gateway.port), `${name}@127.0.0.1`, ...command];
  }

  start(person: Person, args: readonly string[]): RunningSsh {
    const running = startSsh(person, args);
    this.started.push(running);
    return running;
  }

  /** Whatever a test that failed has left. */
  killStarted(): void {
    for (const { child } of this.started.splice(0)) child.kill('SIGKILL');
  }
}
