/** When a session is live: one predicate, for rows in the database and rows that were read. The two must agree. */
import { type RawBuilder, sql } from 'kysely';

export interface SessionTimes {
  readonly ended_at: Date | null;
  readonly expires_at: Date;
  readonly last_used_at: Date;
  readonly idle_seconds: number | null;
}

/** Neither ended nor past its end, and used within its idle time. */
export function isLive(session: SessionTimes, now: Date): boolean {
  return session.ended_at === null && endOf(session) > now;
}

/** When it ends by itself unless it is used before. */
export function endOf(session: Omit<SessionTimes, 'ended_at'>): Date {
  const idleEnd = idleEndOf(session);
  return idleEnd !== null && idleEnd < session.expires_at ? idleEnd : session.expires_at;
}

/** When it will have been idle for too long; null: it has no such limit. */
export function idleEndOf({ last_used_at, idle_seconds }: Omit<SessionTimes, 'ended_at'>): Date | null {
  return idle_seconds === null ? null : new Date(last_used_at.getTime() + idle_seconds * 1000);
}

/** isLive() of a row of login_sessions. */
export function liveAt(now: Date): RawBuilder<boolean> {
  return sql<boolean>`(login_sessions.ended_at is null and ${unexpiredAt(now)})`;
}

/** Whether endOf() a row of login_sessions is still to come. */
export function unexpiredAt(now: Date): RawBuilder<boolean> {
  return sql<boolean>`(
    login_sessions.expires_at > ${now}
    and (login_sessions.idle_seconds is null
      or login_sessions.last_used_at + make_interval(secs => login_sessions.idle_seconds) > ${now})
  )`;
}
