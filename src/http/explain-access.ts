/** Would somebody get in, and if not, why and what to do: the same decision that gateways make. */
import { type Account, loadAccount } from '../accounts/account.ts';
import type { ExplainReply } from '../api/explain.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { rulesForAccount } from '../inventory/access-rules.ts';
import { targetByName } from '../inventory/target.ts';
import { underPolicy } from '../policy/assurance.ts';
import { decideAccess, unknownTarget } from '../policy/decide-access.ts';
import type { SessionFacts } from '../policy/facts.ts';
import { helpfulCommand } from '../policy/reasons.ts';
import { refusalText } from '../policy/refusal.ts';
import { newestHelperSession } from '../sessions/find-session.ts';

export interface Asked {
  readonly accountId: string;
  /** The session that would be used. */
  readonly session: SessionFacts;
  readonly targetName: string;
}

export async function explainAccess(tx: Tx, asked: Asked, nowSeconds: number): Promise<ExplainReply> {
  const { accountId, targetName } = asked;
  const account = await loadAccount(tx, accountId);
  const rules = await rulesForAccount(tx, accountId);
  const session = underPolicy(asked.session, account.organization);
  const target = await targetByName(tx, targetName);
  const decision = target
    ? decideAccess({ account: account.facts, session, target, rules, nowSeconds, phase: 'start' })
    : unknownTarget;
  const question = { account: account.facts.name, target: targetName };
  if (decision.allowed) return { ...question, allowed: true, reasons: [], command: null, text: '' };
  const { reasons } = decision;
  return {
    ...question,
    allowed: false,
    reasons: reasons.map(({ code, message }) => ({ code, message })),
    command: helpfulCommand(reasons),
    text: refusalText({ service: targetName, user: account.facts.name, reasons }),
  };
}

/** Another account of the organization, and the session that it would use: its newest live one of `sally`. */
export async function somebodyElse(
  tx: Tx,
  { name, organizationId }: { name: string; organizationId: string },
  now: Date,
): Promise<{ account: Account; session: SessionFacts }> {
  const row = await tx
    .selectFrom('accounts')
    .select('id')
    .where('name', '=', name)
    .where('organization_id', '=', organizationId)
    .executeTakeFirst();
  if (row === undefined)
    throw new SallyportError('not_found', `There is no account ${name} in your organization.`);
  const account = await loadAccount(tx, row.id);
  const session = await newestHelperSession(tx, row.id, now);
  return { account, session: session?.facts ?? noSession(now) };
}

/** Not logged in: that is the only thing wrong with it, since nobody knows how the next login will be. */
function noSession(now: Date): SessionFacts {
  const nowSeconds = Math.floor(now.getTime() / 1000);
  return {
    id: '00000000-0000-0000-0000-000000000000',
    mode: 'interactive',
    ended: true,
    expiresAtSeconds: nowSeconds,
    assurance: {
      amr: [],
      acr: null,
      authTimeSeconds: nowSeconds,
      mfa: true,
      mfaBy: 'provider',
      mfaMethods: [],
      mfaTimeSeconds: null,
    },
    roleLimit: null,
  };
}
