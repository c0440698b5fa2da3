/** Which rule a CI token is accepted by: exactly one, or the one that the request names. */
import type { JWTPayload } from 'jose';
import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { type CiRule, ciRulesOfIssuer } from './ci-rule-store.ts';
import { matchesRule } from './match-ci-rules.ts';

/** Rules that name the token's issuer. @throws grant_invalid if there are none: such an issuer is asked for nothing */
export async function rulesForIssuer(db: Database, issuer: string): Promise<readonly [CiRule, ...CiRule[]]> {
  const [first, ...more] = await ciRulesOfIssuer(db, issuer);
  if (first) return [first, ...more];
  throw refused(`No rule here is for tokens of the issuer ${printable(issuer)}.`);
}

/**
 * The order of rules means nothing, so that adding one never changes what another gives. `named` is ORGANIZATION or
 * ORGANIZATION/RULE: without it, a rule of another organization that matches the same token would be in the way.
 * @throws grant_invalid
 */
export function chooseRule(rules: readonly CiRule[], token: JWTPayload, named: string | undefined): CiRule {
  const matching = rules.filter((rule) => isNamed(rule, named) && matchesRule(rule, token));
  const [rule, second] = matching;
  if (rule === undefined) {
    const among = named === undefined ? 'No rule here' : `No rule of ${printable(named)}`;
    throw refused(
      `${among} accepts this token: its subject is ${printable(token.sub)}, its audience ${printable(token.aud)}. ` +
        'Compare its claims with the rule in the console under Tokens.',
    );
  }
  if (second !== undefined) {
    throw refused(
      'More than one rule accepts this token. Name the one that is meant: audience=ORGANIZATION/RULE.',
      `matching: ${matching.map(({ organization, name }) => `${organization}/${name}`).join(', ')}`,
    );
  }
  return rule;
}

function isNamed({ organization, name }: CiRule, named: string | undefined): boolean {
  return named === undefined || named === organization || named === `${organization}/${name}`;
}

function refused(message: string, detail?: string): SallyportError {
  return new SallyportError('grant_invalid', message, detail === undefined ? {} : { detail });
}

function printable(claim: unknown): string {
  const text = typeof claim === 'string' ? claim : JSON.stringify(claim);
  return `${text}`.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}
