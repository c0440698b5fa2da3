/** A login session as decisions see it, and the one way to read its row. */
import type { Selectable } from 'kysely';
import type { LoginSessionRow } from '../database/rows.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { SessionFacts } from '../policy/facts.ts';

/** helper: `sally`; browser: the console; token, ci: a machine's, without a person. */
export type SessionKind = 'helper' | 'browser' | 'token' | 'ci';

export interface Session {
  readonly sessionId: string;
  readonly accountId: string;
  readonly kind: SessionKind;
  /** URL of the identity provider that vouched. */
  readonly issuer: string;
  readonly facts: SessionFacts;
}

export const sessionColumns = [
  'login_sessions.id',
  'login_sessions.account_id',
  'login_sessions.kind',
  'login_sessions.issuer',
  'login_sessions.amr',
  'login_sessions.acr',
  'login_sessions.auth_time',
  'login_sessions.mfa',
  'login_sessions.expires_at',
  'login_sessions.ended_at',
] as const;

type SessionRow = Pick<
  Selectable<LoginSessionRow>,
  'id' | 'account_id' | 'kind' | 'issuer' | 'amr' | 'acr' | 'auth_time' | 'mfa' | 'expires_at' | 'ended_at'
>;

export function sessionOf(row: SessionRow): Session {
  return {
    sessionId: row.id,
    accountId: row.account_id,
    kind: row.kind,
    issuer: row.issuer,
    facts: {
      id: row.id,
      mode: 'interactive',
      ended: row.ended_at !== null,
      expiresAtSeconds: unixSeconds(row.expires_at),
      assurance: {
        amr: row.amr,
        acr: row.acr,
        authTimeSeconds: unixSeconds(row.auth_time),
        mfa: row.mfa,
      },
    },
  };
}

/** Rounded down: a session never lasts longer, and a login is never younger, than the facts say. */
export function unixSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}

export function sessionEnded(): SallyportError {
  return new SallyportError('session_ended', 'Your login session has ended. Run: sally login');
}
