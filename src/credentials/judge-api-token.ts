/** Whether an API token may be used now, from here. Pure. */
import type { ApiToken } from './api-token-store.ts';
import { isInRanges } from './source-ranges.ts';

/** For the audit log. Whoever tries is told the same in every case. */
export type TokenFault = 'unknown' | 'revoked' | 'expired' | 'owner_disabled' | 'source_refused';

/** @param token undefined: none has this text */
export function judgeApiToken(
  token: ApiToken | undefined,
  { address, now }: { readonly address: string; readonly now: Date },
): TokenFault | undefined {
  if (token === undefined) return 'unknown';
  if (token.revokedAt !== null) return 'revoked';
  if (token.expiresAt <= now) return 'expired';
  if (token.ownerDisabled) return 'owner_disabled';
  if (!isInRanges(address, token.sourceRanges)) return 'source_refused';
  return undefined;
}
