/**
 * An ssh-agent that holds the person's certificates (draft-ietf-sshm-ssh-agent, OpenSSH PROTOCOL.agent). It offers a
 * client what is good where that client is, signs logins and nothing else, and may pass other keys through from another
 * agent. What it does not know it refuses.
 */
import type { Server, Socket } from 'node:net';
import { isSallyportError } from '../../errors/sallyport-error.ts';
import { readLoginRequest } from '../../ssh/login-request.ts';
import { signWithKey } from '../../ssh/signature.ts';
import { WireWriter } from '../../ssh/wire.ts';
import { type Bindings, bindTo, isForwarded, isOfLogin, type Place, placeOf, unbound } from './bindings.ts';
import type { ForwardRule } from './forward-rules.ts';
import { answerMessages } from './frames.ts';
import type { HeldCertificate, HeldCertificates } from './held-certificates.ts';
import type { KnownMachine } from './known-machines.ts';
import {
  type AgentRequest,
  extensionFailure,
  extensionNames,
  extensionReply,
  failure,
  type Identity,
  identitiesReply,
  ownExtensionReply,
  readAgentRequest,
  readIdentities,
  signatureReply,
  success,
} from './messages.ts';
import { PassphraseLock } from './passphrase-lock.ts';
import { Upstream } from './upstream.ts';

export interface AgentOptions {
  readonly held: HeldCertificates;
  /** Which of ours a host key is, now. */
  readonly machineOf: (hostKey: Buffer) => Promise<KnownMachine | undefined>;
  readonly forwardRules: readonly ForwardRule[];
  /** Socket of the agent whose keys are passed through; undefined: none. */
  readonly upstream: string | undefined;
  /** Asks before each use; undefined: nobody is asked. */
  readonly confirm: ((about: HeldCertificate, user: string) => Promise<boolean>) | undefined;
  /** What `status` says, as JSON. */
  readonly status: (isLocked: boolean) => string;
  readonly onStop: () => void;
  readonly say: (text: string) => void;
}

const mostClients = 128;

export function serveAgent(server: Server, options: AgentOptions): { close: () => void } {
  const clients = new Set<Socket>();
  const lock = new PassphraseLock();
  server.on('connection', (socket) => {
    if (clients.size >= mostClients) return void socket.destroy();
    clients.add(socket);
    const client = new AgentConnection(options, lock);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clients.delete(socket);
      client.close();
    });
    answerMessages(socket, (message) => client.answer(message));
  });
  return {
    close: () => {
      server.close();
      for (const socket of clients) socket.destroy();
    },
  };
}

/** One client, with what it has said about where it is. */
class AgentConnection {
  readonly #options: AgentOptions;
  readonly #lock: PassphraseLock;
  readonly #upstream: Upstream | undefined;
  #bindings: Bindings = unbound;

  constructor(options: AgentOptions, lock: PassphraseLock) {
    this.#options = options;
    this.#lock = lock;
    this.#upstream = options.upstream === undefined ? undefined : new Upstream(options.upstream);
  }

  close(): void {
    this.#upstream?.close();
  }

  /** Whatever is wrong with a request: who asks is told nothing but no. */
  async answer(message: Buffer): Promise<Buffer> {
    try {
      return await this.#answerTo(readAgentRequest(message), message);
    } catch (error) {
      this.#options.say(`refused: ${isSallyportError(error) ? error.message : error}`);
      return failure;
    }
  }

  async #answerTo(request: AgentRequest, message: Buffer): Promise<Buffer> {
    switch (request.kind) {
      case 'bind':
        return await this.#bind(request, message);
      case 'list':
        return this.#lock.isLocked ? identitiesReply([]) : identitiesReply(await this.#identities());
      case 'unlock':
        return this.#isFromHere() && (await this.#lock.unlock(request.passphrase)) ? success : failure;
      case 'query':
        return extensionReply('query', names(extensionNames));
      default:
        return this.#lock.isLocked ? failure : await this.#answerUnlocked(request, message);
    }
  }

  async #answerUnlocked(request: AgentRequest, message: Buffer): Promise<Buffer> {
    if (request.kind === 'sign') return await this.#sign(request, message);
    // Another machine may use what is offered to it, and change nothing.
    if (!this.#isFromHere()) return failure;
    const { held, onStop, status } = this.#options;
    switch (request.kind) {
      case 'add':
        return (await this.#upstream?.ask(message)) ?? failure;
      case 'remove':
        return held.remove(request.key) ? success : ((await this.#upstream?.ask(message)) ?? failure);
      case 'remove-all':
        held.removeAll();
        return (await this.#upstream?.ask(message)) ?? success;
      case 'lock':
        return this.#lock.lock(request.passphrase) ? success : failure;
      case 'forget':
        held.forget();
        return success;
      case 'status':
        return ownExtensionReply('status', status(this.#lock.isLocked));
      case 'stop':
        setImmediate(onStop);
        return success;
      default:
        return failure;
    }
  }

  /** The other agent is told too, for keys that it binds to hosts itself. */
  async #bind(bind: AgentRequest & { kind: 'bind' }, message: Buffer): Promise<Buffer> {
    this.#bindings = bindTo(this.#bindings, bind);
    await this.#upstream?.bind(message);
    return this.#bindings.isSpoiled ? extensionFailure : success;
  }

  #isFromHere(): boolean {
    return !this.#bindings.isSpoiled && !isForwarded(this.#bindings);
  }

  async #identities(): Promise<Identity[]> {
    const place = await this.#place();
    const own = await this.#offered(place);
    // Our machines are shown nothing else: each key more is one more failure in sshd's eyes.
    const others = place.kind === 'machine' ? [] : await this.#upstreamIdentities();
    return [...(own ? [identityOf(own)] : []), ...others];
  }

  async #upstreamIdentities(): Promise<Identity[]> {
    const reply = await this.#upstream?.ask(Buffer.from([11])).catch(() => undefined);
    return reply ? readIdentities(reply) : [];
  }

  async #offered(place: Place): Promise<HeldCertificate | undefined> {
    const { held } = this.#options;
    if (place.kind === 'elsewhere') return undefined;
    return await held.offered(place.kind === 'machine' ? place.machine : undefined);
  }

  async #place(): Promise<Place> {
    const { machineOf, forwardRules } = this.#options;
    const machines = new Map<Buffer, KnownMachine | undefined>();
    for (const { hostKey } of this.#bindings.chain) machines.set(hostKey, await machineOf(hostKey));
    return placeOf(this.#bindings, (hostKey) => machines.get(hostKey), forwardRules);
  }

  /** The flags are RSA's; ours are of Ed25519. */
  async #sign({ key, data }: AgentRequest & { kind: 'sign' }, message: Buffer): Promise<Buffer> {
    const { held, confirm } = this.#options;
    const own = await held.find(key);
    if (!own) return (await this.#upstream?.ask(message)) ?? failure;
    const login = readLoginRequest(data);
    if (!login.key.equals(own.blob) || !isOfLogin(this.#bindings, login)) return failure;
    const place = await this.#place();
    if (!isGoodAt(own, place)) return failure;
    if (confirm && !(await confirm(own, login.user))) return failure;
    return signatureReply(signWithKey(own.privateKey, data));
  }
}

/** Where the client is nobody's but this machine's every one of ours is good; at a machine that machine's, or the general. */
function isGoodAt({ machine }: HeldCertificate, place: Place): boolean {
  if (place.kind !== 'machine') return place.kind === 'here' && machine === undefined;
  return machine === undefined || machine.fingerprint === place.machine.fingerprint;
}

function identityOf({ blob, account, machine }: HeldCertificate): Identity {
  const where = machine?.names[0];
  const comment = where === undefined ? account : `${account} at ${where}`;
  return { key: blob, comment: Buffer.from(comment) };
}

function names(list: readonly string[]): Buffer {
  return list.reduce((writer, name) => writer.string(name), new WireWriter()).bytes();
}
