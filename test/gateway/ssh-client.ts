/** A person with a key and a certificate, and the real ssh that uses them: nothing of the machine's own configuration. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { certificateLine } from '../../src/ssh/encode-certificate.ts';
import { certAuthorityLine } from '../../src/ssh/known-hosts.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificate } from '../../src/ssh/parse-certificate.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import type { TestAuthority, UserCertificateOptions } from './test-authority.ts';

export interface Person {
  readonly account: string;
  readonly sessionId: string;
  readonly serial: bigint;
  readonly key: GeneratedKey;
  readonly certificate: Buffer;
  readonly folder: string;
  readonly configuration: string;
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export async function createPerson(
  authority: Pick<TestAuthority, 'userCertificate' | 'hostCa'>,
  parent: string,
  account: string,
  options: Partial<UserCertificateOptions> = {},
  more: {
    readonly withPrivateKey?: boolean;
    /** Another certificate than a user's. */
    readonly certify?: (
      about: { account: string; publicKey: Buffer; sessionId: string },
      key: GeneratedKey,
    ) => Buffer | Promise<Buffer>;
  } = {},
): Promise<Person> {
  const { withPrivateKey = true, certify } = more;
  const folder = join(parent, randomUUID());
  await mkdir(folder, { mode: 0o700, recursive: true });
  const key = generateEd25519();
  const sessionId = options.sessionId ?? randomUUID();
  const about = { account, publicKey: key.publicKeyBlob, sessionId };
  const certificate = certify
    ? await certify(about, key)
    : authority.userCertificate({ ...about, ...options });
  const identity = join(folder, 'id');
  await writeFile(`${identity}-cert.pub`, `${certificateLine(certificate)}\n`);
  await writeFile(`${identity}.pub`, `${publicKeyLine({ type: 'ssh-ed25519', blob: key.publicKeyBlob })}\n`);
  // Without it the client still offers the certificate, but has another key to sign with.
  const held = withPrivateKey ? key : generateEd25519();
  await writeFile(identity, held.openssh('test'), { mode: 0o600 });
  const knownHosts = join(folder, 'known_hosts');
  const ca = { type: 'ssh-ed25519', blob: authority.hostCa.publicKeyBlob };
  await writeFile(knownHosts, `${certAuthorityLine(['127.0.0.1'], ca, 'test')}\n`);
  const configuration = join(folder, 'config');
  const lines = [
    `IdentityFile ${identity}`,
    `CertificateFile ${identity}-cert.pub`,
    'IdentitiesOnly yes',
    'IdentityAgent none',
    `UserKnownHostsFile ${knownHosts}`,
    'GlobalKnownHostsFile none',
    'NoHostAuthenticationForLocalhost no',
    'StrictHostKeyChecking yes',
    'BatchMode yes',
    'ConnectTimeout 20',
  ];
  await writeFile(configuration, lines.map((line) => `${line}\n`).join(''));
  const { serial } = parseCertificate(certificate);
  return { account, sessionId, serial, key, certificate, folder, configuration };
}

/** Starts ssh with the person's configuration. */
export function startSsh({ configuration }: Person, args: readonly string[]): RunningSsh {
  return new RunningSsh(
    spawn('/usr/bin/ssh', ['-F', configuration, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent' },
    }),
  );
}

export async function runSsh(person: Person, args: readonly string[]): Promise<Ran> {
  const running = startSsh(person, args);
  running.child.stdin?.end();
  return running.ended;
}

export class RunningSsh {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  stdout = '';
  stderr = '';

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk;
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk;
    });
    child.stdin?.on('error', () => {});
    this.ended = new Promise((resolve) => {
      child.once('close', (status) => resolve({ status, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  /** Resolves when the output matches; rejects if the program ends before. */
  async waitForOutput(pattern: RegExp): Promise<void> {
    const isOver = this.ended.then(() => 'over' as const);
    while (!pattern.test(this.stdout)) {
      const more = new Promise<'more'>((resolve) => this.child.stdout?.once('data', () => resolve('more')));
      if ((await Promise.race([more, isOver])) === 'over' && !pattern.test(this.stdout)) {
        throw new Error(`ssh ended before ${pattern} came: ${this.stdout} ${this.stderr}`);
      }
    }
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

/** Whether the port is free. */
export async function canListen(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  await new Promise((resolve) => server.close(resolve));
  return free;
}

/** For what nobody announces, such as the end of a process. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const begun = performance.now();
    if (await isSo()) return;
    const now = performance.now();
    if (now > deadline) throw new Error(`never happened: ${what}`);
    // A look that starts programs must not keep what it waits for from happening.
    const pause = Math.max(20, 4 * (now - begun));
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
