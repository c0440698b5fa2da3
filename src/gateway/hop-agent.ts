/**
 * An ssh-agent (draft-ietf-sshm-ssh-agent) for one login: it lists one certificate, signs one login with it, and is gone.
 * The private key never leaves this process. The socket belongs to the user of the session, and it closes with the
 * first signature, when its time is over, or with the companion.
 */

import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { GeneratedKey } from '../ssh/openssh-private-key.ts';
import { parseCertificate } from '../ssh/parse-certificate.ts';
import { signWithKey, verifySignature } from '../ssh/signature.ts';
import { WireReader, WireWriter } from '../ssh/wire.ts';
import { type HopLogin, readHopLogin } from './hop-login.ts';
import { listenOnUnixSocket, type UnixSocketPlace } from './listen-on-unix-socket.ts';

export interface HopAgentOptions extends Omit<UnixSocketPlace, 'mode'>, HopLogin {
  readonly key: GeneratedKey;
  /** How long a login may take to come. */
  readonly lifetimeMilliseconds: number;
  /**
   * Whether it still lets people connect once it has signed, though it signs nothing more: ssh passes another agent on
   * only if it finds, after the login, that its own is there (check_agent_present in OpenSSH's ssh.c).
   */
  readonly lingers: boolean;
  readonly onClosed: () => void;
}

/** Numbers of messages, section 5.1 of the draft. */
const message = {
  failure: 5,
  success: 6,
  listKeys: 11,
  keys: 12,
  sign: 13,
  signature: 14,
  extension: 27,
} as const;

/** Far more than a login's data takes, with two certificates in it. */
const longestMessage = 64 * 1024;

export async function openHopAgent(options: HopAgentOptions): Promise<HopAgent> {
  const agent = new HopAgent(options);
  await agent.open();
  return agent;
}

export class HopAgent {
  readonly #options: HopAgentOptions;
  readonly #server: Server = createServer((socket) => this.#serve(socket));
  readonly #sockets = new Set<Socket>();
  #timer: NodeJS.Timeout | undefined;
  #isSpent = false;

  constructor(options: HopAgentOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    await listenOnUnixSocket(this.#server, { ...this.#options, mode: 0o600 });
    this.#timer = setTimeout(() => this.close(), this.#options.lifetimeMilliseconds);
    this.#timer.unref();
  }

  /** Nobody can ask any more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#isSpent = true;
    for (const socket of this.#sockets) socket.destroy();
    this.#stopListening();
  }

  #stopListening(): void {
    if (!this.#server.listening) return;
    rmSync(this.#options.path, { force: true });
    this.#server.close();
    this.#options.onClosed();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    const session = { boundTo: undefined as Buffer | undefined, isSpoiled: false };
    let received = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 4) {
        const length = received.readUInt32BE();
        if (length === 0 || length > longestMessage) return void socket.destroy();
        if (received.length < 4 + length) return;
        const reply = this.#answer(received.subarray(4, 4 + length), session);
        received = received.subarray(4 + length);
        socket.write(new WireWriter().string(reply).bytes());
      }
    });
  }

  #answer(request: Buffer, session: AgentSession): Buffer {
    try {
      const reader = new WireReader(request, 'request_malformed', 'request to the agent');
      const type = reader.u8();
      if (type === message.listKeys && !reader.hasMore) return this.#list();
      if (type === message.sign) return this.#sign(reader, session);
      if (type === message.extension) return bind(reader, session);
    } catch {
      // Whatever is wrong with it: who asks is told nothing but no.
    }
    return Buffer.from([message.failure]);
  }

  #list(): Buffer {
    const { certificate } = this.#options;
    const keys = this.#isSpent ? [] : [certificate];
    const reply = new WireWriter().u8(message.keys).u32(keys.length);
    for (const key of keys) reply.string(key).string('');
    return reply.bytes();
  }

  #sign(reader: WireReader, session: AgentSession): Buffer {
    const { certificate, key } = this.#options;
    const [wanted, data] = [reader.string(), reader.string()];
    reader.u32();
    reader.done();
    const sessionId = readHopLogin(data, this.#options);
    const isBound = session.boundTo === undefined || session.boundTo.equals(sessionId);
    if (this.#isSpent || session.isSpoiled || !isBound || !wanted.equals(certificate)) {
      throw new SallyportError('request_malformed', 'This login is not the one that the key is for.');
    }
    this.#isSpent = true;
    if (!this.#options.lingers) this.#stopListening();
    return new WireWriter().u8(message.signature).string(signWithKey(key.privateKey, data)).bytes();
  }
}

interface AgentSession {
  /** Id of the SSH session that the client says it logs in to, proven by that host's key. */
  boundTo: Buffer | undefined;
  isSpoiled: boolean;
}

/**
 * session-bind@openssh.com (OpenSSH PROTOCOL.agent section 1): sent by ssh since 8.9 before it asks for a signature. A
 * client that is bound to something false, or that passes the agent on, gets nothing signed.
 */
function bind(reader: WireReader, session: AgentSession): Buffer {
  if (reader.text() !== 'session-bind@openssh.com') return Buffer.from([message.failure]);
  session.isSpoiled = true;
  const [hostKey, sessionId, signature] = [reader.string(), reader.string(), reader.string()];
  const isForwarding = reader.u8() !== 0;
  reader.done();
  verifySignature({ publicKey: plainKeyOf(hostKey), bytes: sessionId, signature });
  if (isForwarding || session.boundTo !== undefined) return Buffer.from([message.failure]);
  session.boundTo = sessionId;
  session.isSpoiled = false;
  return Buffer.from([message.success]);
}

function plainKeyOf(hostKey: Buffer): Buffer {
  const type = new WireReader(hostKey, 'request_malformed', 'host key').text();
  return type.endsWith('-cert-v01@openssh.com') ? parseCertificate(hostKey).publicKey : hostKey;
}
