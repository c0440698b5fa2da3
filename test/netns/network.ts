/** A network of machines: a bridge on the first of them, and nothing that leads out of it. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Machine } from './machine.ts';

const run = promisify(execFile);

export class Network {
  readonly folder: string;
  /** Holds the bridge, and is the server's place on the network: 10.213.0.1. */
  readonly center: Machine;
  readonly #machines: Machine[] = [];

  private constructor(folder: string, center: Machine) {
    this.folder = folder;
    this.center = center;
  }

  static async open(): Promise<Network> {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-network-'));
    const center = await Machine.open('center', 1, folder);
    await center.must(['/sbin/ip', 'link', 'add', 'bridge', 'type', 'bridge']);
    await addAddresses(center, 'bridge');
    return new Network(folder, center);
  }

  /** @param host the last number of its addresses */
  async machine(name: string, host: number): Promise<Machine> {
    const machine = await Machine.open(name, host, this.folder);
    this.#machines.push(machine);
    const port = `port${host}`;
    const ends = [port, 'netns', `${this.center.holder}`, 'type', 'veth', 'peer', 'name', 'eth0'];
    await run('/sbin/ip', ['link', 'add', ...ends, 'netns', `${machine.holder}`]);
    await this.center.must(['/sbin/ip', 'link', 'set', port, 'master', 'bridge', 'up']);
    await addAddresses(machine, 'eth0');
    return machine;
  }

  /** Takes a machine off the network; the others see silence, not refusals. */
  async unplug(machine: Machine): Promise<void> {
    await machine.must(['/sbin/ip', 'link', 'set', 'eth0', 'down']);
  }

  async plug(machine: Machine): Promise<void> {
    await addAddresses(machine, 'eth0');
  }

  async close(): Promise<void> {
    await Promise.all(this.#machines.map((machine) => machine.close()));
    await this.center.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function addAddresses(machine: Machine, device: string): Promise<void> {
  const { address, address6 } = machine;
  await machine.must(['/sbin/ip', 'address', 'replace', `${address}/24`, 'dev', device]);
  await machine.must(['/sbin/ip', '-6', 'address', 'replace', `${address6}/64`, 'dev', device, 'nodad']);
  await machine.must(['/sbin/ip', 'link', 'set', device, 'up']);
}
