/** A person whose `sally agent` runs in this process, at a server double, with machines that have host certificates. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { AgentClient } from '../../../src/cli/agent/agent-client.ts';
import { numbers, readIdentities } from '../../../src/cli/agent/messages.ts';
import { assembleCertificate, encodeToBeSigned } from '../../../src/ssh/encode-certificate.ts';
import { type GeneratedKey, generateEd25519 } from '../../../src/ssh/openssh-private-key.ts';
import { parseCertificate } from '../../../src/ssh/parse-certificate.ts';
import { fingerprint, publicKeyLine } from '../../../src/ssh/public-key.ts';
import { signWithKey } from '../../../src/ssh/signature.ts';
import { WireReader, WireWriter } from '../../../src/ssh/wire.ts';
import { Person, runAsync, type SallyResult } from '../person.ts';
import { ServerDouble } from '../server-double.ts';

export interface TestHost {
  readonly key: GeneratedKey;
  /** What it shows: its certificate, or its plain key. */
  readonly shown: Buffer;
}

export class AgentWorld {
  readonly server = new ServerDouble();
  readonly hostCa = generateEd25519();
  readonly person: Person;
  #running: Promise<SallyResult> | undefined;

  constructor(home?: string) {
    this.person = new Person(home);
  }

  get socket(): string {
    return join(this.person.paths.folder, 'agent.sock');
  }

  async open(): Promise<void> {
    await this.server.start();
    const host_authorities = [publicKeyLine({ type: 'ssh-ed25519', blob: this.hostCa.publicKeyBlob })];
    this.server.configuration = { ...this.server.configuration, host_authorities };
    await this.person.login(this.server.url);
  }

  async close(): Promise<void> {
    await this.stopAgent();
    await this.server.stop();
    this.person.remove();
    expect(this.server.failures).toEqual([]);
  }

  /** Comes back when it listens. */
  async startAgent(
    flags: readonly string[] = [],
    environment: Record<string, unknown> = {},
    now?: () => Date,
  ): Promise<void> {
    this.#running = this.person.sally(['agent', 'start', ...flags], {
      environment: { forPrograms: process.env, ...environment },
      ...(now && { now }),
    });
    const ended = this.#running.then(({ stderr }) => {
      throw new Error(`the agent has ended: ${stderr}`);
    });
    const listens = vi.waitFor(async () => (await AgentClient.open(this.socket)).close(), 5000);
    await Promise.race([listens, ended]);
    ended.catch(() => {});
  }

  async stopAgent(): Promise<void> {
    if (this.#running === undefined) return;
    await this.person.sally(['agent', 'stop']);
    await this.#running;
    this.#running = undefined;
  }

  /** A machine with a host certificate of our CA. */
  host(name: string, { ca = this.hostCa, enrolled = true, endsIn = 3600 } = {}): TestHost {
    const key = generateEd25519();
    const now = BigInt(Math.floor(Date.now() / 1000));
    const toBeSigned = encodeToBeSigned({
      kind: 'host',
      publicKey: key.publicKeyBlob,
      nonce: randomBytes(32),
      serial: 5n,
      keyId: `host/${name}`,
      principals: [`${name}.sallyport`],
      validAfter: now - 7200n,
      validBefore: now + BigInt(endsIn),
      criticalOptions: [],
      extensions: [],
      caPublicKey: ca.publicKeyBlob,
    });
    if (enrolled) this.server.machines.set(fingerprint(key.publicKeyBlob), name);
    return { key, shown: assembleCertificate(toBeSigned, signWithKey(ca.privateKey, toBeSigned)) };
  }

  async client(socket = this.socket): Promise<TestClient> {
    return new TestClient(await AgentClient.open(socket));
  }

  sshAdd(args: readonly string[], environment: Record<string, string> = {}): Promise<SallyResult> {
    return runAsync('ssh-add', args, { SSH_AUTH_SOCK: this.socket, ...environment });
  }
}

export interface Bound {
  readonly sessionId: Buffer;
  readonly host: TestHost;
}

/** Speaks the protocol as ssh does, and as others might. */
export class TestClient {
  readonly #client: AgentClient;

  constructor(client: AgentClient) {
    this.#client = client;
  }

  async ask(message: Uint8Array): Promise<Buffer> {
    return await this.#client.ask(message);
  }

  close(): void {
    this.#client.close();
  }

  async bind(
    host: TestHost,
    { isForwarding = false, sessionId = randomBytes(32) as Buffer, signer = host.key } = {},
  ): Promise<Bound & { readonly isTaken: boolean }> {
    const message = new WireWriter()
      .u8(numbers.extension)
      .string('session-bind@openssh.com')
      .string(host.shown)
      .string(sessionId)
      .string(signWithKey(signer.privateKey, sessionId))
      .u8(isForwarding ? 1 : 0);
    const [answer] = await this.ask(message.bytes());
    return { sessionId, host, isTaken: answer === numbers.success };
  }

  async list(): Promise<Buffer[]> {
    return readIdentities(await this.ask(Buffer.from([numbers.list]))).map(({ key }) => key);
  }

  /** Principals of what is listed. */
  async offered(): Promise<string[]> {
    return (await this.list()).map((blob) => parseCertificate(blob).principals.join());
  }

  /** @returns the signature; undefined: refused */
  async sign(key: Buffer, data: Buffer): Promise<Buffer | undefined> {
    const request = new WireWriter().u8(numbers.sign).string(key).string(data).u32(0);
    const reply = new WireReader(await this.ask(request.bytes()), 'request_malformed', 'reply');
    return reply.u8() === numbers.signature ? reply.string() : undefined;
  }
}

/** What ssh has signed to log in (OpenSSH PROTOCOL, publickey-hostbound-v00@openssh.com). */
export function loginData(
  key: Buffer,
  { sessionId, host }: Bound,
  { user = 'app', isHostBound = true } = {},
) {
  const data = new WireWriter()
    .string(sessionId)
    .u8(50)
    .string(user)
    .string('ssh-connection')
    .string(isHostBound ? 'publickey-hostbound-v00@openssh.com' : 'publickey')
    .u8(1)
    .string('ssh-ed25519-cert-v01@openssh.com')
    .string(key);
  return (isHostBound ? data.string(host.shown) : data).bytes();
}
