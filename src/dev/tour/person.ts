/** One of the demo's people with a home of their own: types `sally` and `ssh`, and signs in at the browser. */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { demoGateway } from '../demo-inventory.ts';
import type { RunningDev } from '../start-dev.ts';
import { Browser, pageText } from './browser.ts';
import { type ProgramResult, type RunningProgram, runProgram, startProgram } from './programs.ts';

export interface PersonOptions {
  readonly username: string;
  readonly password: string;
  /** Made by this; holds `.ssh`. */
  readonly home: string;
  readonly dev: RunningDev;
  /** The clone's `src/sally.ts`. */
  readonly sallyEntry: string;
}

interface MayFail {
  readonly mayFail?: boolean;
}

const ssh = '/usr/bin/ssh';

export class Person {
  readonly username: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly controlSocket: string;
  readonly #options: PersonOptions;

  constructor(options: PersonOptions) {
    this.#options = options;
    this.username = options.username;
    const { NODE_COMPILE_CACHE } = process.env;
    const { home } = options;
    this.environment = {
      HOME: home,
      PATH: '/usr/bin:/bin',
      LANG: 'C.UTF-8',
      NO_COLOR: '1',
      NODE_COMPILE_CACHE,
    };
    this.controlSocket = join(options.home, 'c');
  }

  /** `sally login`, with the login page filled in as a browser would. */
  async login(): Promise<void> {
    const { home, dev, password } = this.#options;
    await mkdir(home, { recursive: true, mode: 0o700 });
    const login = this.#startSally(['login', '--no-browser', '--server', dev.publicUrl.origin]);
    const address = await login.printed(/https?:\/\/\S+/);
    const page = await new Browser().signIn(new URL(address), { username: this.username, password });
    if (page.status >= 400) throw new Error(`the login ended with ${page.status}: ${pageText(page.text)}`);
    must('sally login', await login.ended);
  }

  async sally(args: readonly string[], { mayFail = false }: MayFail = {}): Promise<ProgramResult> {
    const result = await this.#startSally(args).ended;
    return mayFail ? result : must(`sally ${args.join(' ')}`, result);
  }

  async ssh(args: readonly string[], { mayFail = false }: MayFail = {}): Promise<ProgramResult> {
    const result = await runProgram(ssh, [...this.#sshOptions, ...args], this.environment);
    return mayFail ? result : must(`ssh ${args.join(' ')}`, result);
  }

  startSsh(args: readonly string[]): RunningProgram {
    return startProgram(ssh, [...this.#sshOptions, ...args], this.environment);
  }

  /** Plain `ssh` to the gateway itself, naming the target as this gateway wants it named. */
  async askGateway(target: string): Promise<ProgramResult> {
    const { login } = this.#options.dev;
    const gateway = `${demoGateway}.sallyport`;
    const args = login === undefined ? [`${target}@${gateway}`] : [`${login}@${gateway}`, target];
    return await this.ssh(args, { mayFail: true });
  }

  async untilControlMaster(host: string): Promise<void> {
    // ssh tells nobody when the socket of a ControlMaster is ready.
    for (let tries = 0; tries < 200; tries += 1) {
      const check = await this.ssh(['-S', this.controlSocket, '-O', 'check', host], { mayFail: true });
      if (check.status === 0) return;
      await wait(50);
    }
    throw new Error('the ControlMaster did not come up');
  }

  /** The certificate that ssh would offer now. */
  async certificateFile(): Promise<string> {
    const text = await readFile(join(this.#folder, 'identity.conf'), 'utf8');
    const file = /CertificateFile\s+"?([^"\n]+)"?/.exec(text)?.[1];
    if (!file) throw new Error(`${this.username} has no certificate`);
    return file;
  }

  /** What `ssh-keygen -L` says of it. */
  async certificateListing(): Promise<string> {
    const result = await runProgram('/usr/bin/ssh-keygen', ['-L', '-f', await this.certificateFile()], {
      ...this.environment,
      TZ: 'UTC',
    });
    return must('ssh-keygen -L', result).stdout;
  }

  /** The login session's id, as the key ID of the certificate names it. */
  async sessionId(): Promise<string> {
    const id = /Key ID: "[^"/]+\/([^"]+)"/.exec(await this.certificateListing())?.[1];
    if (!id) throw new Error('the key ID names no session');
    return id;
  }

  /** As if most of its hour were over. */
  async makeCertificateDue(): Promise<void> {
    await rm(join(this.#folder, 'renew-after'), { force: true });
  }

  get #folder(): string {
    return join(this.#options.home, '.ssh', 'sallyport');
  }

  get #sshOptions(): string[] {
    return ['-F', join(this.#options.home, '.ssh', 'config'), '-o', 'BatchMode=yes'];
  }

  #startSally(args: readonly string[]): RunningProgram {
    return startProgram(process.execPath, [this.#options.sallyEntry, ...args], this.environment);
  }
}

function must(what: string, result: ProgramResult): ProgramResult {
  if (result.status === 0) return result;
  throw new Error(`${what} ended with status ${result.status}:\n${result.stderr || result.stdout}`);
}
