/**
 * What a client signs to log in with a public key (RFC 4252 section 7, and OpenSSH's PROTOCOL for the host-bound method),
 * read strictly: an agent that signs this and nothing else cannot be used for anything else. Pure.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import { WireReader } from './wire.ts';

export interface LoginRequest {
  /** Id of the SSH session that is logged in to. */
  readonly sessionId: Buffer;
  readonly user: string;
  readonly algorithm: string;
  /** Blob of the key or certificate that is shown. */
  readonly key: Buffer;
  /** Blob of the host's key or certificate; undefined: the client is too old to name it. */
  readonly hostKey: Buffer | undefined;
}

const userauthRequest = 50;
const methods: readonly string[] = ['publickey', 'publickey-hostbound-v00@openssh.com'];

/** @throws request_malformed if it is anything else */
export function readLoginRequest(data: Uint8Array): LoginRequest {
  const reader = new WireReader(data, 'request_malformed', 'data to be signed');
  const sessionId = reader.string();
  const isLogin = reader.u8() === userauthRequest;
  const [user, service, method] = [reader.text(), reader.text(), reader.text()];
  const isSigned = reader.u8() === 1;
  const algorithm = reader.text();
  const key = reader.string();
  const hostKey = method === methods[0] ? undefined : reader.string();
  reader.done();
  if (!isLogin || service !== 'ssh-connection' || !methods.includes(method) || !isSigned) {
    throw new SallyportError('request_malformed', 'The data to be signed is not a login.');
  }
  return { sessionId, user, algorithm, key, hostKey };
}
