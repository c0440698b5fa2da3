/** Which key a login's certificates are for: the one that is asked for, else the one of before. */
import { keyPolicy } from '../../api/certificates.ts';
import { isSallyportError } from '../../errors/sallyport-error.ts';
import { callApi } from '../api-client.ts';
import type { SallyContext } from '../context.ts';
import { type MadeOver, newChallenge } from '../request-certificate.ts';
import type { LiveSession, StoredSession } from '../session-file.ts';
import { findAgentKey } from './agent-key.ts';
import type { KeyWish, SecurityKeyWish } from './key-wish.ts';
import { findSecurityKey, makeSecurityKey } from './make-security-key.ts';

export interface ChosenKey {
  readonly key: StoredSession['key'];
  /** Of a key that was made just now. */
  readonly made: MadeOver | undefined;
  /** Of a security key that was here before: how another one is to be made, should the server not take it. */
  readonly elseMake: SecurityKeyWish | undefined;
}

const sameAgain: SecurityKeyWish = { kind: 'sk', resident: false, verify: false, anew: false };

export async function chooseKey(
  context: SallyContext,
  session: LiveSession,
  wish: KeyWish | undefined,
): Promise<ChosenKey> {
  switch (wish?.kind) {
    case 'sk':
      return await securityKey(context, session, wish);
    case 'agent':
      return lasting(await findAgentKey(context, wish.which));
    case 'file':
      return lasting({ kind: 'file', ...(wish.type && { type: wish.type }) });
    default:
      // What was asked of it may have changed since, and its handle may be gone.
      if (session.key.kind === 'sk') return await securityKey(context, session, sameAgain);
      return lasting(session.key);
  }
}

/** The one that is here, if it does what is asked for; else a new one. @throws file_refused, program_missing */
export async function securityKey(
  context: SallyContext,
  session: LiveSession,
  wish: SecurityKeyWish,
): Promise<ChosenKey> {
  const policy = await policyOf(context, session);
  const verify = wish.verify || policy.hardware_keys === 'verified';
  const found = wish.anew ? undefined : await findSecurityKey(context);
  if (found && (found.asksVerification || !verify)) {
    return { key: found.key, made: undefined, elseMake: { ...wish, verify, anew: true } };
  }
  const challenge = policy.attestation ? await newChallenge(context, session) : undefined;
  const { key, attestation } = await makeSecurityKey(context, {
    account: session.account,
    resident: wish.resident,
    verify,
    challenge: challenge?.challenge,
  });
  return { key, made: challenge && attestation && { challenge, attestation }, elseMake: undefined };
}

async function policyOf(context: SallyContext, session: LiveSession) {
  const request = { method: 'GET', path: '/v1/key-policy', reply: keyPolicy } as const;
  return await callApi(context, session, request).catch((error) => {
    // A server of before asks nothing of keys.
    if (isSallyportError(error) && error.status === 404)
      return { hardware_keys: 'off', attestation: false } as const;
    throw error;
  });
}

function lasting(key: StoredSession['key']): ChosenKey {
  return { key, made: undefined, elseMake: undefined };
}
