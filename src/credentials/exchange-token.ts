/**
 * A machine's token for a login session of its own (RFC 8693). The authorization server calls this from its token
 * endpoint, after it has verified the DPoP proof; what it gives out for the session is its own business.
 */
import { decodeJwt, type JWTPayload } from 'jose';
import type { DatabaseHandle } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { tokenHash } from '../secrets/token.ts';
import { acceptCiToken } from './accept-ci-token.ts';
import { lockApiToken, touchApiToken } from './api-token-store.ts';
import { isApiTokenText } from './api-token-text.ts';
import { judgeApiToken } from './judge-api-token.ts';
import { type MachineSession, machinesRefused, startMachineSession } from './machine-session.ts';
import { recordRefusedApiToken, recordRefusedCiToken } from './record-refused-token.ts';
import { chooseRule, rulesForIssuer } from './rule-for-token.ts';
import type { TokenIssuers } from './token-issuers.ts';

export interface ExchangeParts {
  readonly database: DatabaseHandle;
  /** Keys of the CI systems that rules name. */
  readonly tokenIssuers: TokenIssuers;
  /** What vouches for sessions of API tokens. */
  readonly publicUrl: URL;
  readonly clock: () => Date;
}

/** What both exchanges take beside the token. */
interface Exchange {
  /** Of the client, as the trusted proxies tell it. */
  readonly address: string;
  /** What the client says of itself. */
  readonly clientName: string | null;
  /** Thumbprint of the key in the DPoP proof (RFC 9449 section 6.1). */
  readonly dpopJkt: string;
}

export interface ApiTokenExchange extends Exchange {
  readonly token: string;
}

export interface CiTokenExchange extends Exchange {
  readonly jwt: string;
  /** The request's `audience` (RFC 8693 section 2.1): ORGANIZATION or ORGANIZATION/RULE, where several rules match. */
  readonly audience?: string;
}

export type ExchangedSession = MachineSession;

/** `subject_token_type` of the two. */
export const apiTokenType = 'urn:sallyport:token-type:api-token';
export const jwtTokenType = 'urn:ietf:params:oauth:token-type:jwt';

const longestTokenSessionMilliseconds = 3_600_000;
/** Kubernetes' and GitLab's have 1 to 3 kB. */
const longestJwt = 16_384;

/**
 * The session ends within the hour; the token then gives another.
 * @throws grant_invalid, the same whether the token is unknown, expired, revoked, of a disabled owner or used from
 *   elsewhere; forbidden if the organization refuses machines
 */
export async function exchangeApiToken(
  { database, publicUrl, clock }: Pick<ExchangeParts, 'database' | 'publicUrl' | 'clock'>,
  { token: text, address, clientName, dpopJkt }: ApiTokenExchange,
): Promise<ExchangedSession> {
  const now = clock();
  const outcome = await inTransaction(database.db, async (tx): Promise<ExchangedSession | SallyportError> => {
    // By the digest of the whole text: what is cut off, added or written otherwise is another token, which there is not.
    const token = await lockApiToken(tx, { hash: tokenHash(text) });
    const fault = judgeApiToken(token, { address, now });
    if (token === undefined || fault !== undefined) {
      const code = token === undefined && !isApiTokenText(text) ? 'malformed' : (fault ?? 'unknown');
      await recordRefusedApiToken(tx, { token, code, address }, now);
      return invalidApiToken();
    }
    const forbidden = await machinesRefused(tx, token.accountId);
    if (forbidden) {
      await recordRefusedApiToken(tx, { token, code: 'machines_refused', address }, now);
      return forbidden;
    }
    await touchApiToken(tx, token, address, now);
    const longest = new Date(now.getTime() + longestTokenSessionMilliseconds);
    return await startMachineSession(
      tx,
      {
        kind: 'token',
        accountId: token.accountId,
        issuer: publicUrl.origin,
        subject: null,
        authTime: now,
        expiresAt: token.expiresAt < longest ? token.expiresAt : longest,
        credentialId: token.id,
        roleLimit: token.roleLimit,
        clientAddress: address,
        clientName,
        dpopJkt,
      },
      now,
    );
  });
  if (isSallyportError(outcome)) throw outcome;
  return outcome;
}

/** One reply for all that can be wrong with one: whoever holds it learns nothing about it. */
function invalidApiToken(): SallyportError {
  return new SallyportError(
    'grant_invalid',
    'The API token is not valid here: it is unknown, has expired, was revoked, or may not be used from this address. ' +
      'Ask whoever made it, or make another in the console under Tokens.',
  );
}

/**
 * Exactly one rule must match the token, or `audience` names the one that is meant. A token is good once.
 * @throws grant_invalid, with what is wrong; forbidden if the organization refuses machines; unavailable in an outage
 */
export async function exchangeCiToken(
  parts: ExchangeParts,
  exchange: CiTokenExchange,
): Promise<ExchangedSession> {
  const { database, tokenIssuers, clock } = parts;
  const { jwt, audience, address } = exchange;
  const now = clock();
  const claimed = unverified(jwt);
  try {
    // Before anything is fetched: an issuer that no rule names is never asked.
    const rules = await rulesForIssuer(database.db, claimed.iss);
    const token = await tokenIssuers.verify(jwt, claimed.iss);
    const rule = chooseRule(rules, token, audience);
    return await inTransaction(database.db, (tx) => acceptCiToken(tx, { ...exchange, rule, token }, now));
  } catch (error) {
    if (isSallyportError(error)) await recordRefusedCiToken(database.db, { error, claimed, address }, now);
    throw error;
  }
}

/** Only to find the rules that may apply. */
function unverified(jwt: string): JWTPayload & { readonly iss: string } {
  try {
    if (jwt.length > longestJwt) throw new TypeError('too long');
    const payload = decodeJwt(jwt);
    if (typeof payload.iss !== 'string') throw new TypeError('no issuer');
    return { ...payload, iss: payload.iss };
  } catch (cause) {
    throw new SallyportError('grant_invalid', 'The CI token is no JWT that names its issuer.', { cause });
  }
}
