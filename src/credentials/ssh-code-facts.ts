import { type Account, loadAccount } from '../accounts/account.ts';
import type { Tx } from '../database/database.ts';
import type { SshCodeFacts } from '../policy/decide-ssh-code.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';

export type KnownSshCodeFacts = SshCodeFacts & { readonly of: Account };

/** What decides about codes of a session, which can't be ended before the transaction is over. @throws session_ended */
export async function sshCodeFacts(tx: Tx, sessionId: string, now: Date): Promise<KnownSshCodeFacts> {
  const { accountId, facts: session } = await lockLiveSession(tx, sessionId, 'share', now);
  const of = await loadAccount(tx, accountId);
  const { ssh_codes: sshCodes } = await tx
    .selectFrom('organizations')
    .select('ssh_codes')
    .where('id', '=', of.organizationId)
    .executeTakeFirstOrThrow();
  return { of, account: of.facts, organization: of.organization, session, sshCodes };
}
