/**
 * What clients of an ssh-agent say (draft-ietf-sshm-ssh-agent section 3, OpenSSH PROTOCOL.agent), read strictly: every
 * byte is accounted for, and what is not known here is refused. Pure.
 */
import { SallyportError } from '../../errors/sallyport-error.ts';
import { WireReader, WireWriter } from '../../ssh/wire.ts';

/** What OpenSSH's agent takes of one message. */
export const longestMessage = 256 * 1024;

/** Numbers of messages (section 5.1 of the draft). */
export const numbers = {
  failure: 5,
  success: 6,
  list: 11,
  keys: 12,
  sign: 13,
  signature: 14,
  add: 17,
  remove: 18,
  removeAll: 19,
  addFromCard: 20,
  lock: 22,
  unlock: 23,
  addConstrained: 25,
  addFromCardConstrained: 26,
  extension: 27,
  extensionFailure: 28,
  extensionReply: 29,
} as const;

export interface SessionBind {
  /** Blob of the host's key or certificate. */
  readonly hostKey: Buffer;
  readonly sessionId: Buffer;
  /** Of the host's key, over the session id. */
  readonly signature: Buffer;
  /** The connection is one that the host may pass requests on through. */
  readonly isForwarding: boolean;
}

export type AgentRequest =
  | { readonly kind: 'list' | 'remove-all' }
  | { readonly kind: 'sign'; readonly key: Buffer; readonly data: Buffer; readonly flags: number }
  | { readonly kind: 'remove'; readonly key: Buffer }
  | { readonly kind: 'lock' | 'unlock'; readonly passphrase: Buffer }
  /** For another agent to understand: the message as it is. */
  | { readonly kind: 'add' }
  | ({ readonly kind: 'bind' } & SessionBind)
  | { readonly kind: 'query' | 'status' | 'stop' | 'forget' };

/** Ours, for `sally` itself. */
const ownExtensions = {
  status: 'status@sallyport',
  stop: 'stop@sallyport',
  forget: 'forget@sallyport',
} as const;
export type OwnExtension = keyof typeof ownExtensions;

const bindExtension = 'session-bind@openssh.com';
export const extensionNames: readonly string[] = [bindExtension, ...Object.values(ownExtensions)];

/** @throws request_malformed, also for every request that is not known here */
export function readAgentRequest(message: Uint8Array): AgentRequest {
  const reader = new WireReader(message, 'request_malformed', 'request to the agent');
  const request = readBody(reader, reader.u8());
  reader.done();
  return request;
}

function readBody(reader: WireReader, number: number): AgentRequest {
  switch (number) {
    case numbers.list:
      return { kind: 'list' };
    case numbers.removeAll:
      return { kind: 'remove-all' };
    case numbers.sign:
      return { kind: 'sign', key: reader.string(), data: reader.string(), flags: reader.u32() };
    case numbers.remove:
      return { kind: 'remove', key: reader.string() };
    case numbers.lock:
      return { kind: 'lock', passphrase: reader.string() };
    case numbers.unlock:
      return { kind: 'unlock', passphrase: reader.string() };
    case numbers.extension:
      return readExtension(reader, reader.text());
    case numbers.add:
    case numbers.addConstrained:
    case numbers.addFromCard:
    case numbers.addFromCardConstrained:
      while (reader.hasMore) reader.u8();
      return { kind: 'add' };
    default:
      throw unknown();
  }
}

function readExtension(reader: WireReader, name: string): AgentRequest {
  if (name === 'query') return { kind: 'query' };
  if (name === bindExtension) {
    const [hostKey, sessionId, signature] = [reader.string(), reader.string(), reader.string()];
    const forwarding = reader.u8();
    if (forwarding > 1) throw reader.error('says neither yes nor no about forwarding');
    return { kind: 'bind', hostKey, sessionId, signature, isForwarding: forwarding === 1 };
  }
  for (const kind of ['status', 'stop', 'forget'] as const) {
    if (ownExtensions[kind] === name) return { kind };
  }
  throw unknown();
}

export interface Identity {
  /** Blob of a key or certificate. */
  readonly key: Buffer;
  readonly comment: Buffer;
}

/** @throws request_malformed if it is anything else than a list of identities */
export function readIdentities(reply: Uint8Array): Identity[] {
  const reader = new WireReader(reply, 'request_malformed', 'reply of the agent');
  if (reader.u8() !== numbers.keys) throw reader.error('is not a list of keys');
  const count = reader.u32();
  const identities: Identity[] = [];
  while (identities.length < count) identities.push({ key: reader.string(), comment: reader.string() });
  reader.done();
  return identities;
}

export function identitiesReply(identities: readonly Identity[]): Buffer {
  const reply = new WireWriter().u8(numbers.keys).u32(identities.length);
  for (const { key, comment } of identities) reply.string(key).string(comment);
  return reply.bytes();
}

export function signatureReply(signature: Uint8Array): Buffer {
  return new WireWriter().u8(numbers.signature).string(signature).bytes();
}

export function extensionReply(name: string, contents: Uint8Array): Buffer {
  return new WireWriter().u8(numbers.extensionReply).string(name).raw(contents).bytes();
}

export function ownExtensionRequest(extension: OwnExtension): Buffer {
  return new WireWriter().u8(numbers.extension).string(ownExtensions[extension]).bytes();
}

export function ownExtensionReply(extension: OwnExtension, text: string): Buffer {
  return extensionReply(ownExtensions[extension], new WireWriter().string(text).bytes());
}

/** @throws request_malformed */
export function readOwnExtensionReply(reply: Uint8Array, extension: OwnExtension): string {
  const reader = new WireReader(reply, 'request_malformed', 'reply of the agent');
  const isReply = reader.u8() === numbers.extensionReply && reader.text() === ownExtensions[extension];
  if (!isReply) throw reader.error('is not to what was asked');
  const text = reader.text();
  reader.done();
  return text;
}

export const failure = Buffer.from([numbers.failure]);
export const success = Buffer.from([numbers.success]);
export const extensionFailure = Buffer.from([numbers.extensionFailure]);

function unknown(): SallyportError {
  return new SallyportError('request_malformed', 'The agent does not know this request.');
}
