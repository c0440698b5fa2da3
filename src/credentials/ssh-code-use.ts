/** The use of a one-time code: what a gateway names instead of a certificate, as long as the code's session lives. */
import type { Tx } from '../database/database.ts';
import { decideSshCode } from '../policy/decide-ssh-code.ts';
import type { SessionFacts } from '../policy/facts.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import type { Session } from '../sessions/session.ts';
import { policyRefusal } from './policy-refusal.ts';
import { sshCodeFacts } from './ssh-code-facts.ts';

export interface LockedCodeUse {
  /** Locked: it can't be ended before the transaction is over. */
  readonly session: Session;
  /** The session as the code stands for it: with the second factor that counts now, until the use is over. */
  readonly proven: SessionFacts;
}

/**
 * Only for the gateway that took the code, and for the target that it was for.
 * @returns undefined if there is no such use, or it is over @throws session_ended, access_denied,
 *   insufficient_user_authentication
 */
export async function lockSshCodeUse(
  tx: Tx,
  asked: { readonly id: string; readonly companionId: string; readonly target: string },
  now: Date,
): Promise<LockedCodeUse | undefined> {
  const use = await tx
    .selectFrom('ssh_code_uses')
    .select(['session_id', 'expires_at'])
    .where('id', '=', asked.id)
    .where('companion_id', '=', asked.companionId)
    .where('target_name', '=', asked.target)
    .where('expires_at', '>', now)
    .executeTakeFirst();
  if (use === undefined) return undefined;
  const session = await lockLiveSession(tx, use.session_id, 'share', now);
  const decision = decideSshCode(await sshCodeFacts(tx, use.session_id, now), unixSeconds(now));
  if (!decision.allowed) throw policyRefusal(decision.reasons);
  const { facts } = session;
  const { assurance } = facts;
  return {
    session,
    proven: {
      ...facts,
      expiresAtSeconds: Math.min(facts.expiresAtSeconds, unixSeconds(use.expires_at)),
      assurance: decision.mfa
        ? assurance
        : { ...assurance, mfa: false, mfaBy: null, mfaMethods: [], mfaTimeSeconds: null },
    },
  };
}

function unixSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
