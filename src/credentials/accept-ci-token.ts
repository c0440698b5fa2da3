import { createHash } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { useOnce } from '../limits/use-once.ts';
import { type CiRule, lockCiRule } from './ci-rule-store.ts';
import { type MachineSession, machinesRefused, startMachineSession } from './machine-session.ts';
import { oldestTokenSeconds } from './token-issuers.ts';

export interface AcceptedCiToken {
  readonly jwt: string;
  /** Its payload, verified. */
  readonly token: JWTPayload;
  /** Matches it. */
  readonly rule: CiRule;
  readonly address: string;
  readonly clientName: string | null;
  readonly dpopJkt: string;
}

/** A session for a token that was verified and matches; the token is used up with it. @throws grant_invalid, forbidden */
export async function acceptCiToken(
  tx: Tx,
  { jwt, token, rule: found, address, clientName, dpopJkt }: AcceptedCiToken,
  now: Date,
): Promise<MachineSession> {
  // The keys were fetched in between: the rule may be gone.
  const rule = await lockCiRule(tx, found.id);
  if (rule === undefined) throw refused('The rule that accepted this token was removed.');
  if (rule.accountDisabled)
    throw refused(`The account ${rule.account} of the rule ${rule.name} is disabled.`);
  const forbidden = await machinesRefused(tx, rule.accountId);
  if (forbidden) throw forbidden;
  await requireUnused(tx, jwt, token, now);
  const session = await startMachineSession(
    tx,
    {
      kind: 'ci',
      accountId: rule.accountId,
      issuer: rule.issuer,
      subject: token.sub ?? null,
      authTime: now,
      expiresAt: new Date(now.getTime() + rule.lifetimeSeconds * 1000),
      credentialId: rule.id,
      roleLimit: rule.roleLimit,
      clientAddress: address,
      clientName,
      dpopJkt,
    },
    now,
  );
  await recordEvent(tx, {
    event: 'ci_token.accepted',
    organizationId: rule.organizationId,
    accountId: rule.accountId,
    sessionId: session.sessionId,
    facts: { rule: rule.name, issuer: rule.issuer, subject: `${token.sub}` },
  });
  return session;
}

/** By `jti`, or by what is signed where the system gives none (Forgejo): the signature itself can be written in two ways. */
async function requireUnused(tx: Tx, jwt: string, { iss, jti }: JWTPayload, now: Date): Promise<void> {
  const signed = jwt.slice(0, jwt.lastIndexOf('.'));
  const identifier =
    typeof jti === 'string' && jti !== ''
      ? `jti ${jti}`
      : `digest ${createHash('sha256').update(signed).digest('hex')}`;
  // No token is accepted that is older.
  const until = new Date(now.getTime() + 2 * oldestTokenSeconds * 1000);
  if (await useOnce(tx, { scope: `ci ${iss}`, identifier }, until)) return;
  throw refused('This token was used before; each is good once. Request another in the job.');
}

function refused(message: string): SallyportError {
  return new SallyportError('grant_invalid', message);
}
