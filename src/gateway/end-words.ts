/** What a person reads on the terminal when a connection is ended, pure. Printable ASCII, one line. */
import type { EndReason } from '../api/companions.ts';
import { mfaLogin } from '../policy/reasons.ts';

const sentences = {
  session_ended: 'Your login session was ended. Log in again: sally login',
  certificate_revoked: 'Your certificate was revoked. Log in again: sally login',
  account_gone: 'Your account is disabled. Ask an admin of your organization.',
  access_denied: 'Your access to this target has ended. To see why: sally explain TARGET',
  mfa_too_old: `Your second factor is older than this environment allows. Log in again: ${mfaLogin()}`,
  too_long: 'The connection has lasted as long as this environment allows. Connect again.',
  idle: 'The connection was idle for longer than this environment allows. Connect again.',
} as const satisfies Record<EndReason, string>;

/** @param target its name, where the connection has one */
export function endWords(reason: EndReason, target: string | undefined): string {
  return `Connection ended: ${sentences[reason].replace('TARGET', target ?? 'TARGET')}`;
}

/** A limit that was reached, and nothing that anybody took away: there is time to say so first. */
export function isLimit(reason: EndReason): boolean {
  return reason === 'mfa_too_old' || reason === 'too_long' || reason === 'idle';
}
