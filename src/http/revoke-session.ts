/** Ends sessions for somebody who may, and says how far the machines are with it. */
import type { RevocationReply, SessionsEnded } from '../api/sessions.ts';
import type { Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { endSession } from '../sessions/end-session.ts';
import { type SessionDocument, sessionDocument } from '../sessions/session-documents.ts';
import type { AppParts } from './app-parts.ts';

/** An acknowledgement of a machine that is online takes a fraction of this. */
const patienceMilliseconds = 1_000;

export interface SessionToRevoke {
  readonly sessionId: string;
  /** Sessions of others are as unknown as those that never were. */
  readonly within: SessionScope;
  /** The account name of who asked. */
  readonly by: string;
  readonly reason: 'revoked' | 'logout';
}

export type SessionScope = { readonly organizationId: string } | { readonly accountId: string };

export type Revoking = Pick<AppParts, 'database' | 'feed' | 'clock'>;

/** The session if it is in the scope. @throws not_found */
export async function sessionWithin(
  tx: Tx,
  sessionId: string,
  scope: SessionScope,
  now: Date,
): Promise<SessionDocument> {
  const row = await tx
    .selectFrom('login_sessions')
    .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
    .select(['accounts.id as account_id', 'accounts.organization_id'])
    .where('login_sessions.id', '=', sessionId)
    .executeTakeFirst();
  const isWithin =
    'accountId' in scope
      ? row?.account_id === scope.accountId
      : row?.organization_id === scope.organizationId;
  if (!isWithin) throw new SallyportError('not_found', 'There is no such session.');
  return await sessionDocument(tx, sessionId, now);
}

/** Ends it in one transaction, then waits up to a second for the machines. @throws not_found */
export async function revokeSession(
  { database, feed, clock }: Revoking,
  { sessionId, within, by, reason }: SessionToRevoke,
): Promise<RevocationReply> {
  const now = clock();
  const ended = await inTransaction(database.db, async (tx) => {
    const { account } = await sessionWithin(tx, sessionId, within, now);
    const organizationId = await organizationOf(tx, sessionId);
    const { version, certificatesRevoked } = await endSession(tx, { sessionId, reason, by }, now);
    return { account, organizationId, version, certificatesRevoked };
  });
  return {
    session: sessionId,
    account: ended.account,
    ...(await carriedOut(feed, ended)),
  };
}

export interface ManyEnded {
  readonly organizationId: string;
  readonly version: bigint;
  readonly sessions: number;
  readonly certificatesRevoked: number;
}

/** Ends many with `work` in one transaction, which may run again, then waits up to a second for the machines. */
export async function revokeSessions(
  { database, feed, clock }: Revoking,
  organizationId: string,
  work: (tx: Tx, now: Date) => Promise<Omit<ManyEnded, 'organizationId'>>,
): Promise<SessionsEnded> {
  const now = clock();
  const ended = await inTransaction(database.db, (tx) => work(tx, now), { retries: 2 });
  return { ended: ended.sessions, ...(await carriedOut(feed, { organizationId, ...ended })) };
}

async function carriedOut(
  feed: AppParts['feed'],
  { organizationId, version, certificatesRevoked }: Omit<ManyEnded, 'sessions'>,
): Promise<Omit<SessionsEnded, 'ended'>> {
  const companions = await feed.waitForAcknowledgements(organizationId, version, patienceMilliseconds);
  return {
    version: `${version}`,
    certificates_revoked: certificatesRevoked,
    companions: companions.map(({ name, kind, acknowledged, connectionsEnded }) => ({
      name,
      kind,
      acknowledged,
      connections_ended: connectionsEnded,
    })),
  };
}

async function organizationOf(tx: Tx, sessionId: string): Promise<string> {
  const { organization_id } = await tx
    .selectFrom('login_sessions')
    .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
    .select('accounts.organization_id')
    .where('login_sessions.id', '=', sessionId)
    .executeTakeFirstOrThrow();
  return organization_id;
}
