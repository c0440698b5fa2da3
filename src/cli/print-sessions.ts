/** Login sessions and their ends, for people. */

import type { RevocationReply, SessionDocument, SessionsEnded } from '../api/sessions.ts';
import { shortClientName } from '../api/short-client-name.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import { printTable } from './print-table.ts';
import { printable } from './printable.ts';
import { fromNow } from './times.ts';

/** Neither ended, nor past its end, nor idle for too long. */
export function isLive(session: SessionDocument, context: SallyContext): boolean {
  const { ended_at, expires_at, idle_ends_at } = session;
  const end = Math.min(expires_at, idle_ends_at ?? Number.POSITIVE_INFINITY);
  return ended_at === null && end > nowSeconds(context);
}

export function printSessions(
  context: SallyContext,
  sessions: readonly SessionDocument[],
  current?: string,
): void {
  const now = context.now();
  const rows = sessions.map((session) => [
    session.id,
    session.id === current ? `${session.account} (here)` : session.account,
    String(session.connections),
    mfaText(session),
    session.ended_at === null
      ? fromNow(session.expires_at, now)
      : `ended (${printable(session.ended_reason ?? '')})`,
    fromNow(session.auth_time, now),
    session.kind,
    printable(session.client_address ?? '-'),
    session.client_name === null ? '-' : printable(shortClientName(session.client_name).replace(/…$/, '...')),
  ]);
  // What stands to the right goes below first: 80 columns hold the ID, which revoke wants, and how the session stands.
  printTable(context, ['SESSION', 'ACCOUNT', 'SSH', 'MFA', 'ENDS', 'LOGIN', 'KIND', 'FROM', 'MACHINE'], rows);
}

function mfaText({ mfa, mfa_by }: SessionDocument): string {
  if (!mfa) return 'no';
  return mfa_by === 'passkey' ? 'passkey' : 'yes';
}

export function printRevocation(context: SallyContext, reply: RevocationReply): void {
  const { terminal } = context;
  terminal.say(
    `${terminal.good('Ended')} the session ${reply.session} of ${terminal.bold(reply.account)}; certificates revoked: ${reply.certificates_revoked}.`,
  );
  printCompanions(context, reply);
}

export function printSessionsEnded(context: SallyContext, reply: SessionsEnded): void {
  const { terminal } = context;
  terminal.say(
    `${terminal.good('Ended')} sessions: ${reply.ended}; certificates revoked: ${reply.certificates_revoked}.`,
  );
  printCompanions(context, reply);
}

function printCompanions(
  { terminal }: SallyContext,
  { companions }: Pick<SessionsEnded, 'companions'>,
): void {
  for (const { name, kind, acknowledged, connections_ended } of companions) {
    const what = acknowledged
      ? `in force, connections ended: ${connections_ended}`
      : 'no answer yet; it refuses the session as soon as it is reached';
    terminal.print(`  ${printable(name)} (${kind}): ${what}`);
  }
}
