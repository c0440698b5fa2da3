/** Which rules a verified token satisfies. Pure. */
import type { JWTPayload } from 'jose';
import type { CiSystem } from '../api/ci-rules.ts';
import { ciSystems } from './ci-systems.ts';
import { matchesPattern } from './claim-pattern.ts';

export interface RuleToMatch {
  readonly system: CiSystem;
  readonly audience: string;
  readonly claims: Readonly<Record<string, readonly string[]>>;
}

/** Every claim of the rule must be there and match one of its patterns; the audience must be the rule's and no other. */
export function matchesRule({ system, audience, claims }: RuleToMatch, token: JWTPayload): boolean {
  if (!hasOnlyAudience(token, audience)) return false;
  const { lists } = ciSystems[system];
  const wanted = Object.entries(claims);
  return (
    wanted.length > 0 &&
    wanted.every(([claim, patterns]) => {
      const value = claimOf(token, claim);
      const values = lists.includes(claim) && Array.isArray(value) ? value : [value];
      return values.some(
        (one) => typeof one === 'string' && patterns.some((each) => matchesPattern(each, one)),
      );
    })
  );
}

/** A token that is good elsewhere too could be brought here by whoever got it there (RFC 8725 section 3.9). */
function hasOnlyAudience({ aud }: JWTPayload, audience: string): boolean {
  const named = [aud].flat();
  return named.length === 1 && named[0] === audience;
}

/** By name, or by pointer (RFC 6901) for what is nested. Only what the token itself has. */
function claimOf(token: JWTPayload, claim: string): unknown {
  if (!claim.startsWith('/')) return ownValue(token, claim);
  const names = claim.slice(1).split('/');
  return names.reduce<unknown>(
    (value, name) => ownValue(value, name.replaceAll('~1', '/').replaceAll('~0', '~')),
    token,
  );
}

function ownValue(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}
