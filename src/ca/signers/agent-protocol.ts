/**
 * The part of the ssh-agent protocol (RFC 9987) that signing needs: messages as bytes, without their length in front.
 * An agent is believed in nothing: lengths are bounded, every byte of a reply is read.
 */
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SignatureAlgorithm } from '../../ssh/signature.ts';
import { WireReader, WireWriter } from '../../ssh/wire.ts';

export interface AgentIdentity {
  /** Blob of a public key or of a certificate. */
  readonly blob: Buffer;
  readonly comment: string;
}

/** RFC 9987 section 5.1, message numbers. */
const failure = 5;
const success = 6;
const requestIdentitiesNumber = 11;
const identitiesAnswer = 12;
const signRequestNumber = 13;
const signResponse = 14;
const addSmartcardKeyNumber = 20;

/** RFC 9987 section 5.6.2, flag of a sign request: an RSA key makes rsa-sha2-512. */
const rsaSha512 = 0x04;

/** What OpenSSH itself takes from an agent (authfd.c, MAX_AGENT_IDENTITIES). */
const mostIdentities = 2048;

/** Asks for the keys. */
export function identitiesRequest(): Buffer {
  return Buffer.from([requestIdentitiesNumber]);
}

/** @throws signer_failed */
export function readIdentities(reply: Buffer): AgentIdentity[] {
  const reader = readerOf(reply, identitiesAnswer);
  const count = reader.u32();
  if (count > mostIdentities) throw reader.error(`names ${count} keys, more than any agent holds`);
  const identities = Array.from({ length: count }, () => ({
    blob: reader.string(),
    comment: reader.string().toString('utf8'),
  }));
  reader.done();
  return identities;
}

/** Asks a key for a signature over `bytes` by this algorithm, of which only RSA keys have a choice. */
export function signRequest(publicKey: Uint8Array, algorithm: SignatureAlgorithm, bytes: Uint8Array): Buffer {
  const flags = algorithm === 'rsa-sha2-512' ? rsaSha512 : 0;
  return new WireWriter().u8(signRequestNumber).string(publicKey).string(bytes).u32(flags).bytes();
}

/** The SSH signature blob. @throws signer_failed */
export function readSignature(reply: Buffer): Buffer {
  const reader = readerOf(reply, signResponse);
  const signature = reader.string();
  reader.done();
  return signature;
}

/**
 * Asks to load the keys of a PKCS #11 module (RFC 9987 section 5.2.5).
 * @param module absolute path of the library
 */
export function addSmartcardKeyRequest(module: string, pin: Uint8Array): Buffer {
  return new WireWriter().u8(addSmartcardKeyNumber).string(module).string(pin).bytes();
}

/** @throws signer_failed unless the agent did what it was asked for */
export function readSuccess(reply: Buffer): void {
  readerOf(reply, success).done();
}

function readerOf(reply: Buffer, expected: number): WireReader {
  const reader = new WireReader(reply, 'signer_failed', "ssh-agent's reply");
  const number = reader.u8();
  if (number === expected) return reader;
  // An agent gives no reason: locked, no such key, a refused confirmation, a token that was pulled out.
  if (number === failure) throw new SallyportError('signer_failed', 'ssh-agent refused to do it.');
  throw reader.error(`is of kind ${number}, expected ${expected}`);
}
