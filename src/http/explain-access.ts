/** Would somebody get in, and if not, why and what to do: the same decisions that the CA, gateways and hosts make. */
import { type Account, loadAccount } from '../accounts/account.ts';
import type { ExplainQuery, ExplainReply } from '../api/explain.ts';
import { keptKeyOf } from '../ca/proven-keys.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { rulesForAccount } from '../inventory/access-rules.ts';
import { appByName } from '../inventory/app-by-name.ts';
import { targetByName } from '../inventory/target.ts';
import { decideExplained } from '../policy/decide-explained.ts';
import type { SessionFacts } from '../policy/facts.ts';
import { acceptedKey } from '../policy/hardware-keys.ts';
import { helpfulCommand } from '../policy/reasons.ts';
import { refusalText } from '../policy/refusal.ts';
import { type Supposition, suppose, supposedInWords, supposesLogin } from '../policy/suppose.ts';
import { newestHelperSession } from '../sessions/find-session.ts';

export interface Asked {
  readonly accountId: string;
  /** The session that would be used, and what it is called. */
  readonly login: {
    readonly session: SessionFacts;
    readonly words: string;
    /** Nobody has logged in so, and nobody knows with which key: one that the organization takes. */
    readonly isSupposed?: boolean;
  };
  readonly targetName: string;
  readonly supposition: Supposition;
  /** An admin asks: a role may be supposed where the account has none. */
  readonly seesAll: boolean;
}

export async function explainAccess(tx: Tx, asked: Asked, nowSeconds: number): Promise<ExplainReply> {
  const { accountId, targetName, supposition, seesAll, login } = asked;
  const { facts: account, organization, organizationId } = await loadAccount(tx, accountId);
  // Both are always asked for: what one may not see takes as long as what there is not.
  const target = await targetByName(tx, targetName);
  const app = await appByName(tx, organizationId, targetName);
  const facts = {
    account,
    organization,
    session: login.session,
    key: login.isSupposed
      ? acceptedKey(organization)
      : await keptKeyOf(tx, { sessionId: login.session.id, accountId }),
    rules: await rulesForAccount(tx, accountId),
    target,
    app,
    nowSeconds,
  };
  const decision = decideExplained(suppose(facts, supposition, { seesAll }));
  const question = {
    account: account.name,
    target: targetName,
    assumed: [login.words, ...supposedInWords(supposition)],
  };
  if (decision.allowed) return { ...question, allowed: true, reasons: [], command: null, text: '' };
  const { reasons } = decision;
  return {
    ...question,
    allowed: false,
    reasons: reasons.map(({ code, message }) => ({ code, message })),
    command: helpfulCommand(reasons),
    text: refusalText({ service: targetName, user: account.name, reasons }),
  };
}

/** @throws request_malformed for a time that has passed */
export function suppositionOf(query: ExplainQuery, nowSeconds: number): Supposition {
  const { without_mfa, mfa_age, role, at, as_token } = query;
  const atSeconds = at === undefined ? undefined : Math.floor(Date.parse(at) / 1000);
  if (atSeconds !== undefined && atSeconds < nowSeconds - clockSkewSeconds) {
    throw new SallyportError(
      'request_malformed',
      'The time that you ask about has passed: only what is so now is known. Give one in the future.',
    );
  }
  return {
    mfaAgeSeconds: without_mfa === undefined ? mfa_age : 'none',
    role,
    atSeconds,
    asToken: as_token !== undefined,
  };
}

/** "now" on a machine whose clock is behind. */
const clockSkewSeconds = 300;

/**
 * Another account of the organization, and the login that it would use: its newest live session of `sally`; a new login
 * where the question supposes one.
 */
export async function somebodyElse(
  tx: Tx,
  { name, organizationId }: { name: string; organizationId: string },
  supposition: Supposition,
  now: Date,
): Promise<{ account: Account; login: Asked['login'] }> {
  const row = await tx
    .selectFrom('accounts')
    .select('id')
    .where('name', '=', name)
    .where('organization_id', '=', organizationId)
    .executeTakeFirst();
  if (row === undefined)
    throw new SallyportError(
      'not_found',
      `There is no account ${name} in your organization. A person's begins with the first login.`,
    );
  const account = await loadAccount(tx, row.id);
  const session = await newestHelperSession(tx, row.id, now);
  if (session) return { account, login: { session: session.facts, words: `the newest login of ${name}` } };
  const atSeconds = supposition.atSeconds ?? Math.floor(now.getTime() / 1000);
  const login = supposesLogin(supposition)
    ? {
        session: newSession(atSeconds, false),
        isSupposed: true,
        words: `a new login of ${name}, who is not logged in`,
      }
    : { session: newSession(atSeconds, true), isSupposed: true, words: `${name} is not logged in` };
  return { account, login };
}

/** Ended: not logged in, and that is the only thing wrong with it, since nobody knows how the next login will be. */
function newSession(atSeconds: number, ended: boolean): SessionFacts {
  return {
    id: '00000000-0000-0000-0000-000000000000',
    mode: 'interactive',
    ended,
    expiresAtSeconds: ended ? atSeconds : atSeconds + longEnoughSeconds,
    assurance: {
      amr: [],
      acr: null,
      authTimeSeconds: atSeconds,
      mfa: true,
      mfaBy: 'provider',
      mfaMethods: [],
      mfaTimeSeconds: null,
    },
    roleLimit: null,
  };
}

const longEnoughSeconds = 3600;
