/** People of a demo with `sally` in this process, the real server behind it, and the real ssh. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret } from 'otpauth';
import { createDemoPeople, type DemoPerson as Known } from '../../src/dev/identity-provider-people.ts';
import { freePorts, type RunningDev, startDev } from '../../src/dev/start-dev.ts';
import { Browser, type VisitedPage } from '../../src/dev/tour/browser.ts';
import { freshDatabase } from '../database/fresh-database.ts';
import { Person, type RunOptions, type SallyResult } from './person.ts';

export interface Demo {
  readonly dev: RunningDev;
  /** An admin with a second factor whom nobody has been before: a one-time code is good once, so for two logins. */
  nextAdmin(): DemoPerson;
  /** Somebody without a second factor, who may log in as often as they like. */
  plain(kind: 'admin' | 'contributor'): DemoPerson;
  close(): Promise<void>;
}

export async function startDemo(): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), 'sally-demo-'));
  const [alice, , carol] = createDemoPeople() as [Known, Known, Known];
  const admins = Array.from({ length: 20 }, (_, index) => like(alice, `admin-${index}`));
  const plain = like({ ...alice, otpSecret: null }, 'plain-admin');
  const people = [...admins, plain, carol];
  const dataFolder = join(folder, 'data');
  await mkdir(dataFolder, { mode: 0o700 });
  const text = JSON.stringify({ clientSecret: 'of this demo and of no other at all', people });
  await writeFile(join(dataFolder, 'people.json'), text, { mode: 0o600 });
  const ports = await freePorts();
  const dev = await startDev({
    dataFolder,
    // A server's where there is one: the one in this process takes seconds of processor to begin.
    openDatabase: freshDatabase,
    publicUrl: new URL(`http://localhost:${ports.console}`),
    ports,
    ssh: 'required',
    logger: { level: 'silent' },
    machineLog: () => {},
  });
  const made: DemoPerson[] = [];
  const add = (known: Known | undefined) => {
    if (!known) throw new Error('more people were wanted than there are');
    const person = new DemoPerson(dev, known);
    made.push(person);
    return person;
  };
  return {
    dev,
    nextAdmin: () => add(admins.shift()),
    plain: (kind) => add(kind === 'admin' ? plain : carol),
    async close() {
      for (const person of made) person.machine.remove();
      await dev.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function like(known: Known, username: string): Known {
  const otpSecret = known.otpSecret === null ? null : new Secret({ size: 20 }).base32;
  return { ...known, username, name: username, email: `${username}@acme.test`, otpSecret };
}

export class DemoPerson {
  readonly machine = new Person();
  readonly known: Known;
  readonly #dev: RunningDev;

  constructor(dev: RunningDev, known: Known) {
    this.#dev = dev;
    this.known = known;
  }

  get server(): string {
    return this.#dev.publicUrl.origin;
  }

  get account(): string {
    return this.known.email;
  }

  /** Somebody's second machine. */
  elsewhere(): DemoPerson {
    return new DemoPerson(this.#dev, this.known);
  }

  /** A browser of its own that logs in at the identity provider. */
  browse = async (address: string): Promise<VisitedPage> =>
    await new Browser().signIn(new URL(address), this.known);

  /** Runs `sally`; where the login in the browser fails, so does this. */
  async sally(argv: readonly string[], options: RunOptions = {}): Promise<SallyResult> {
    const failed = Promise.withResolvers<never>();
    const openBrowser = async (url: string) => void this.browse(url).catch(failed.reject);
    return await Promise.race([this.machine.sally(argv, { openBrowser, ...options }), failed.promise]);
  }

  async login(...more: string[]): Promise<SallyResult> {
    const result = await this.sally(['login', '--server', this.server, ...more]);
    if (result.code === 0) return result;
    throw new Error(`login: ${result.stderr}`);
  }

  ssh(args: readonly string[], environment: Record<string, string> = {}): Promise<SallyResult> {
    return this.machine.sshAsync(['-o', 'BatchMode=yes', ...args], environment);
  }

  /** What `sally status` knows. */
  async status(): Promise<{ session: { id: string }; certificate: { key_id: string; path: string } }> {
    return JSON.parse((await this.sally(['status', '--json'])).stdout);
  }

  async sessionId(): Promise<string> {
    return (await this.status()).session.id;
  }
}
