/**
 * A machine's token for a login session of its own (RFC 8693). The authorization server calls this from its token
 * endpoint, after it has verified the DPoP proof; what it gives out for the session is its own business.
 */
import type { DatabaseHandle } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
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
  /** The grant that the session will be found by. */
  readonly grantId?: string;
}

export interface ApiTokenExchange extends Exchange {
  readonly token: string;
}

export interface CiTokenExchange extends Exchange {
  readonly jwt: string;
  /** The request's `audience` (RFC 8693 section 2.1): ORGANIZATION or ORGANIZATION/RULE, where several rules would match. */
  readonly audience?: string;
}

export interface ExchangedSession {
  readonly sessionId: string;
  readonly accountId: string;
  readonly expiresAt: Date;
}

/** `subject_token_type` of the two. */
export const apiTokenType = 'urn:sallyport:token-type:api-token';
export const jwtTokenType = 'urn:ietf:params:oauth:token-type:jwt';

/**
 * @throws grant_invalid, the same whether the token is unknown, expired, revoked, of a disabled owner or used from
 *   elsewhere; forbidden if the organization refuses machines
 */
export async function exchangeApiToken(
  _parts: Pick<ExchangeParts, 'database' | 'publicUrl' | 'clock'>,
  _exchange: ApiTokenExchange,
): Promise<ExchangedSession> {
  throw new SallyportError('unavailable', 'not yet');
}

/** @throws grant_invalid, with what is wrong; forbidden if the organization refuses machines; unavailable in an outage */
export async function exchangeCiToken(
  _parts: ExchangeParts,
  _exchange: CiTokenExchange,
): Promise<ExchangedSession> {
  throw new SallyportError('unavailable', 'not yet');
}
