/**
 * The lease on a session's refresh token at its identity provider. `lease` with `lease_until` in the future: somebody is
 * asking the provider; `lease_until` alone: nobody asks until then, since it did not answer a moment ago.
 */
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import type { ErrorCode } from '../errors/codes.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { useOnce } from '../limits/use-once.ts';
import { liveAt } from '../sessions/liveness.ts';

export interface ProviderOutage {
  readonly provider: string;
  readonly detail: string;
}

export interface Lease {
  readonly id: string;
  /** Sealed. */
  readonly token: Buffer | null;
}

/** How long one answer is good. */
const goodMilliseconds = 5 * 60_000;
/** Longer than a request to a provider may take. */
const leaseMilliseconds = 60_000;
/** After a failure nobody asks again for this long. */
const pauseMilliseconds = 30_000;
const alarmEveryMilliseconds = 10 * 60_000;

export type UpstreamState = NonNullable<Awaited<ReturnType<typeof readUpstreamState>>>;

/** Undefined: the session is not live. */
export async function readUpstreamState(db: Database, sessionId: string, now: Date) {
  return await db
    .selectFrom('login_sessions')
    .innerJoin('accounts', 'accounts.id', 'login_sessions.account_id')
    .innerJoin('organizations', 'organizations.id', 'accounts.organization_id')
    .leftJoin('upstream_grants', 'upstream_grants.session_id', 'login_sessions.id')
    .select(['login_sessions.account_id', 'login_sessions.issuer', 'login_sessions.subject'])
    .select(['login_sessions.provider_slug', 'organizations.outage_grace_seconds'])
    .select(['upstream_grants.refresh_token', 'upstream_grants.outage_since'])
    .select(['upstream_grants.lease', 'upstream_grants.lease_until'])
    .select((of) =>
      of.fn.coalesce('upstream_grants.checked_at', 'login_sessions.created_at').as('checked_at'),
    )
    .where('login_sessions.id', '=', sessionId)
    .where(liveAt(now))
    .executeTakeFirst();
}

/** Whether the last answer is still good. */
export function isChecked({ outage_since, checked_at }: UpstreamState, now: Date): boolean {
  return outage_since === null && after(checked_at, goodMilliseconds) > now;
}

/** Undefined: somebody else was faster. */
export async function takeLease(db: Database, sessionId: string, now: Date): Promise<Lease | undefined> {
  const lease = randomUUID();
  const taken = await db
    .updateTable('upstream_grants')
    .set({ lease, lease_until: after(now, leaseMilliseconds) })
    .where('session_id', '=', sessionId)
    .where((where) => where.or([where('lease_until', 'is', null), where('lease_until', '<=', now)]))
    .where((where) =>
      where.or([
        where('outage_since', 'is not', null),
        where('checked_at', '<=', after(now, -goodMilliseconds)),
      ]),
    )
    .returning('refresh_token')
    .executeTakeFirst();
  return taken && { id: lease, token: taken.refresh_token };
}

/** Nobody asks again for a moment. Whether it is news of this provider, which is recorded then. */
export async function noteOutage(
  tx: Tx,
  {
    sessionId,
    lease,
    outage,
    code,
  }: {
    readonly sessionId: string;
    readonly lease: Lease;
    readonly outage: ProviderOutage;
    readonly code: ErrorCode;
  },
  now: Date,
): Promise<boolean> {
  await tx
    .updateTable('upstream_grants')
    .set({
      outage_since: sql<Date>`coalesce(outage_since, ${now})`,
      lease: null,
      lease_until: after(now, pauseMilliseconds),
    })
    .where('session_id', '=', sessionId)
    .where('lease', '=', lease.id)
    .execute();
  const alarm = { scope: 'provider outage', identifier: outage.provider };
  if (!(await useOnce(tx, alarm, after(now, alarmEveryMilliseconds)))) return false;
  await recordEvent(tx, { event: 'provider.outage', facts: { ...outage, code } });
  return true;
}

/** @throws unavailable */
export function requireGrace(
  { outage_since, outage_grace_seconds }: Pick<UpstreamState, 'outage_since' | 'outage_grace_seconds'>,
  now: Date,
): void {
  if (outage_since === null || after(outage_since, outage_grace_seconds * 1000) > now) return;
  throw new SallyportError(
    'unavailable',
    'Your identity provider does not answer, so your session can’t be renewed for now. It goes on by itself when the ' +
      'provider is back; try again later.',
  );
}

function after(time: Date, milliseconds: number): Date {
  return new Date(time.getTime() + milliseconds);
}
