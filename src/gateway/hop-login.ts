/**
 * What a client signs to log in with a public key (RFC 4252 section 7, and OpenSSH's PROTOCOL for the host-bound method),
 * read strictly: the key of a second leg signs this one thing. Pure.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import { WireReader } from '../ssh/wire.ts';

export interface HopLogin {
  readonly certificate: Uint8Array;
  /** Whom the second leg logs in as. */
  readonly login: string;
}

const userauthRequest = 50;
const methods: readonly string[] = ['publickey', 'publickey-hostbound-v00@openssh.com'];

/** @returns the id of the SSH session that is logged in to @throws request_malformed if it is anything else */
export function readHopLogin(data: Uint8Array, { certificate, login }: HopLogin): Buffer {
  const reader = new WireReader(data, 'request_malformed', 'data to be signed');
  const sessionId = reader.string();
  const isLogin = reader.u8() === userauthRequest;
  const [user, service, method] = [reader.text(), reader.text(), reader.text()];
  const isSigned = reader.u8() === 1;
  const algorithm = reader.text();
  const key = reader.string();
  if (method !== methods[0]) reader.string();
  reader.done();
  if (!isLogin || user !== login || service !== 'ssh-connection' || !methods.includes(method) || !isSigned) {
    throw new SallyportError('request_malformed', `The data to be signed is not a login as ${login}.`);
  }
  if (algorithm !== 'ssh-ed25519-cert-v01@openssh.com' || !key.equals(certificate)) {
    throw new SallyportError('request_malformed', 'The data to be signed names another certificate.');
  }
  return sessionId;
}
