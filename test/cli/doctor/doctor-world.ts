/** Somebody with a login at a server double, a gateway's port that greets as sshd does, and what doctor says of it. */

import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { join, relative } from 'node:path';
import { expect } from 'vitest';
import { Person, type RunOptions } from '../person.ts';
import { account, ServerDouble } from '../server-double.ts';

export interface Check {
  readonly check: string;
  readonly outcome: 'ok' | 'warning' | 'problem' | 'unknown';
  readonly says: string;
  readonly fix: string | null;
  readonly mendable: boolean;
}

export interface Diagnosis {
  readonly code: number;
  readonly checks: readonly Check[];
  readonly repaired: readonly { readonly what: string; readonly failure: string | null }[];
  readonly text: string;
}

export class DoctorWorld {
  readonly server = new ServerDouble();
  readonly #sshd: Server;
  readonly #people: Person[] = [];

  private constructor(sshd: Server) {
    this.#sshd = sshd;
  }

  static async open(): Promise<DoctorWorld> {
    const sshd = createServer((socket) => {
      socket.on('error', () => {}).write('SSH-2.0-OpenSSH_9.2\r\n');
    });
    await new Promise<void>((resolve) => sshd.listen(0, '127.0.0.1', resolve));
    const world = new DoctorWorld(sshd);
    await world.server.start();
    world.reset();
    return world;
  }

  /** Everything as it should be. */
  reset(): void {
    this.server.faults = {};
    this.gateway('127.0.0.1', [this.openPort]);
    for (const person of this.#people.splice(0)) person.remove();
  }

  get openPort(): number {
    return (this.#sshd.address() as AddressInfo).port;
  }

  gateway(address: string, ports: readonly number[]): void {
    const [port = 22, ...others] = ports;
    const { server } = this;
    server.configuration = {
      ...server.configuration,
      gateways: [{ name: 'gw', address, port, ...(others.length > 0 && { ports: others }), login: null }],
    };
    server.answers['GET /v1/targets'] = {
      account,
      targets: [],
      gateways: [{ name: 'gw', address, ports, login: null, fingerprint: null }],
      empty_apps: [],
      next: null,
    };
  }

  /** @param config what they had in their ssh config before */
  async somebody(config?: string): Promise<Patient> {
    const person = new Person();
    this.#people.push(person);
    chmodSync(person.home, 0o755);
    if (config !== undefined) person.writeConfig(config);
    await person.login(this.server.url);
    return new Patient(person);
  }

  async close(): Promise<void> {
    this.reset();
    await this.server.stop();
    await new Promise((resolve) => this.#sshd.close(resolve));
  }
}

export class Patient {
  readonly person: Person;

  constructor(person: Person) {
    this.person = person;
  }

  get paths() {
    return this.person.paths;
  }

  async doctor(args: readonly string[] = [], options: RunOptions = {}): Promise<Diagnosis> {
    const { code, stdout, stderr } = await this.person.sally(['doctor', '--json', ...args], options);
    if (stderr !== '') throw new Error(stderr);
    return { code, text: stdout, ...JSON.parse(stdout) };
  }

  /** What is not well. */
  async troubles(options: RunOptions = {}): Promise<string[]> {
    const { checks } = await this.doctor([], options);
    return checks
      .filter(({ outcome }) => outcome === 'problem' || outcome === 'warning')
      .map(({ check, outcome }) => `${check} ${outcome}`);
  }

  /** Has it mended, and proves that nothing else was touched. @returns paths below home that are different now */
  async mended(options: RunOptions = {}): Promise<string[]> {
    const before = this.tree();
    const { repaired, checks, code } = await this.doctor(['--fix'], options);
    expect(repaired.filter(({ failure }) => failure !== null)).toEqual([]);
    expect(checks.filter(({ outcome }) => outcome === 'problem' || outcome === 'warning')).toEqual([]);
    expect(code).toBe(0);
    const after = this.tree();
    const paths = new Set([...before.keys(), ...after.keys()]);
    return [...paths].filter((path) => before.get(path) !== after.get(path)).sort();
  }

  /** Mode and content of everything below home. */
  tree(): Map<string, string> {
    const found = new Map<string, string>();
    const walk = (path: string) => {
      const facts = lstatSync(path);
      const mode = (facts.mode & 0o7777).toString(8);
      const name = relative(this.person.home, path) || '.';
      if (facts.isDirectory()) {
        found.set(name, mode);
        for (const child of readdirSync(path)) walk(join(path, child));
      } else if (facts.isFile()) found.set(name, `${mode} ${readFileSync(path, 'latin1')}`);
      else found.set(name, facts.isSymbolicLink() ? readlinkSync(path) : 'special');
    };
    walk(this.person.home);
    return found;
  }

  /** A folder with programs that stand in for others. */
  programs(texts: Readonly<Record<string, string>>): string {
    const folder = join(this.person.home, '..', 'bin');
    mkdirSync(folder, { recursive: true });
    for (const [name, text] of Object.entries(texts))
      writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return folder;
  }
}
