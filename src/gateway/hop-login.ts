/**
 * What a gateway's client signs to log in for a second leg: the key of that leg signs this one thing. Pure.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import { readLoginRequest } from '../ssh/login-request.ts';

export interface HopLogin {
  readonly certificate: Uint8Array;
  /** Whom the second leg logs in as. */
  readonly login: string;
}

/** @returns the id of the SSH session that is logged in to @throws request_malformed if it is anything else */
export function readHopLogin(data: Uint8Array, { certificate, login }: HopLogin): Buffer {
  const { sessionId, user, algorithm, key } = readLoginRequest(data);
  if (user !== login) {
    throw new SallyportError('request_malformed', `The data to be signed is not a login as ${login}.`);
  }
  if (algorithm !== 'ssh-ed25519-cert-v01@openssh.com' || !key.equals(certificate)) {
    throw new SallyportError('request_malformed', 'The data to be signed names another certificate.');
  }
  return sessionId;
}
