/** A login session as decisions see it, and the one way to read its row. */
import type { Selectable } from 'kysely';
import type { LoginSessionRow } from '../database/rows.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { SessionFacts, SessionMode } from '../policy/facts.ts';
import { endOf } from './liveness.ts';

/** helper: `sally`; browser: the console; token, ci: a machine's, without a person. */
export type SessionKind = 'helper' | 'browser' | 'token' | 'ci' | 'key';

export interface Session {
  readonly sessionId: string;
  readonly accountId: string;
  readonly kind: SessionKind;
  /** URL of who vouched: the identity provider, or the issuer of a machine's token. */
  readonly issuer: string;
  /** Of the identity provider; null where none vouched. */
  readonly providerSlug: string | null;
  /** `sub` at the issuer. */
  readonly subject: string | null;
  /** The key that its tokens are bound to (RFC 7638). */
  readonly dpopJkt: string | null;
  /** The API token or CI rule that gave it. */
  readonly credentialId: string | null;
  readonly facts: SessionFacts;
}

export const sessionColumns = [
  'login_sessions.id',
  'login_sessions.account_id',
  'login_sessions.kind',
  'login_sessions.issuer',
  'login_sessions.provider_slug',
  'login_sessions.subject',
  'login_sessions.dpop_jkt',
  'login_sessions.credential_id',
  'login_sessions.role_limit',
  'login_sessions.amr',
  'login_sessions.acr',
  'login_sessions.auth_time',
  'login_sessions.mfa_by',
  'login_sessions.mfa_methods',
  'login_sessions.mfa_time',
  'login_sessions.last_used_at',
  'login_sessions.idle_seconds',
  'login_sessions.expires_at',
  'login_sessions.ended_at',
] as const;

type Column = (typeof sessionColumns)[number] extends `login_sessions.${infer Name}` ? Name : never;
export type SessionRow = Pick<Selectable<LoginSessionRow>, Column & keyof LoginSessionRow>;

const modes: Readonly<Record<SessionKind, SessionMode>> = {
  helper: 'interactive',
  browser: 'interactive',
  token: 'token',
  ci: 'ci',
  key: 'key',
};

export function sessionOf(row: SessionRow): Session {
  return {
    sessionId: row.id,
    accountId: row.account_id,
    kind: row.kind,
    issuer: row.issuer,
    providerSlug: row.provider_slug,
    subject: row.subject,
    dpopJkt: row.dpop_jkt,
    credentialId: row.credential_id,
    facts: {
      id: row.id,
      mode: modes[row.kind],
      ended: row.ended_at !== null,
      expiresAtSeconds: unixSeconds(endOf(row)),
      roleLimit: row.role_limit,
      assurance: {
        amr: row.amr,
        acr: row.acr,
        authTimeSeconds: unixSeconds(row.auth_time),
        mfa: row.mfa_by !== null,
        mfaBy: row.mfa_by,
        mfaMethods: row.mfa_methods,
        mfaTimeSeconds: row.mfa_time === null ? null : unixSeconds(row.mfa_time),
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
