import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { rulesForAccount } from '../inventory/access-rules.ts';
import { targetByName } from '../inventory/target.ts';
import { allowAttempt } from '../limits/count-attempt.ts';
import { underPolicy } from '../policy/assurance.ts';
import { decideAccess, unknownTarget } from '../policy/decide-access.ts';
import { decideSshCode } from '../policy/decide-ssh-code.ts';
import type { Sealer } from '../secrets/seal.ts';
import { policyRefusal } from './policy-refusal.ts';
import { type KnownSshCodeFacts, sshCodeFacts } from './ssh-code-facts.ts';
import { newSshCode, readSshCode, sshCodeHash, sshCodeKeyPurpose } from './ssh-code-text.ts';

export interface NewSshCode {
  readonly sessionId: string;
  readonly uses: number;
  /** The only target that it is good for. */
  readonly target: string;
}

export interface CreatedSshCode {
  /** As people type it. Nowhere stored. */
  readonly code: string;
  readonly account: string;
  readonly expiresAt: Date;
}

const lifeMilliseconds = 300_000;
/** Nobody needs more; a program that does wants a certificate. */
const made = { bucket: 'ssh-code-made', allowed: 20, windowSeconds: 300 };

/** @throws session_ended, access_denied, insufficient_user_authentication, not_found, too_many_attempts */
export async function createSshCode(
  tx: Tx,
  sealer: Sealer,
  { sessionId, uses, target }: NewSshCode,
  now: Date,
): Promise<CreatedSshCode> {
  const facts = await sshCodeFacts(tx, sessionId, now);
  const decision = decideSshCode(facts, unixSeconds(now));
  if (!decision.allowed) throw policyRefusal(decision.reasons);
  await requireTarget(tx, facts, target, now);
  const { id: accountId, organizationId } = facts.of;
  await allowAttempt(tx, made, accountId, now);

  const code = newSshCode();
  const account = facts.account.name;
  const expiresAt = new Date(now.getTime() + lifeMilliseconds);
  await tx
    .insertInto('ssh_codes')
    .values({
      code_hash: sshCodeHash(sealer.derive(sshCodeKeyPurpose), readSshCode(code) ?? ''),
      session_id: sessionId,
      target_name: target,
      uses_left: uses,
      created_at: now,
      expires_at: expiresAt,
    })
    .execute();
  await recordEvent(tx, {
    event: 'ssh_code.created',
    organizationId,
    accountId,
    sessionId,
    facts: { uses, target, expires_at: unixSeconds(expiresAt) },
  });
  return { code, account, expiresAt };
}

/** A code for a place that its person can't enter would only fail later, with less said. */
async function requireTarget(tx: Tx, facts: KnownSshCodeFacts, name: string, now: Date): Promise<void> {
  const target = await targetByName(tx, name);
  const decision =
    target?.organizationId === facts.of.organizationId
      ? decideAccess({
          account: facts.account,
          session: underPolicy(facts.session, facts.organization),
          target,
          rules: await rulesForAccount(tx, facts.of.id),
          nowSeconds: unixSeconds(now),
          phase: 'start',
        })
      : unknownTarget;
  if (decision.allowed) return;
  if (decision.visible) throw policyRefusal(decision.reasons);
  throw new SallyportError('not_found', decision.reasons[0].message);
}

function unixSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
