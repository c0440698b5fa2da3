import { revocationReply, type SessionDocument, sessionList } from '../../api/sessions.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { isAccountName } from '../../ssh/names.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printable } from '../printable.ts';
import { callSignedIn } from '../signed-in.ts';
import { tableLines } from '../terminal.ts';
import { fromNow } from '../times.ts';

const list = { method: 'GET', path: '/v1/sessions', reply: sessionList } as const;

export async function adminSessionsList(
  context: SallyContext,
  options: { readonly json?: boolean; readonly all?: boolean },
): Promise<ExitName> {
  const { terminal, environment } = context;
  const { sessions } = await callSignedIn(context, list);
  const shown = options.all ? sessions : sessions.filter((session) => isLive(session, context));
  if (options.json) {
    terminal.print(JSON.stringify({ sessions: shown }, null, 2));
    return 'done';
  }
  if (shown.length === 0) {
    terminal.print('Nobody is logged in.');
    return 'done';
  }
  const now = context.now();
  const rows = shown.map((session) => [
    session.id,
    session.account,
    String(session.connections),
    session.mfa ? 'yes' : 'no',
    session.ended_at === null
      ? fromNow(session.expires_at, now)
      : `ended (${printable(session.ended_reason ?? '')})`,
    fromNow(session.auth_time, now),
    session.kind,
    printable(session.client_address ?? '-'),
  ]);
  // What stands to the right is cut first: 80 columns hold the ID, which revoke wants, and how the session stands.
  const head = ['SESSION', 'ACCOUNT', 'SSH', 'MFA', 'ENDS', 'LOGIN', 'KIND', 'FROM'];
  const [first = '', ...rest] = tableLines(head, rows, environment.isTerminal ? environment.columns : 0);
  terminal.print(terminal.bold(first));
  for (const line of rest) terminal.print(line);
  return 'done';
}

export async function adminSessionsRevoke(
  context: SallyContext,
  who: string,
  options: { readonly yes?: boolean; readonly json?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  const { sessions } = await callSignedIn(context, list);
  const chosen = choose(sessions, who, context);
  if (!options.yes) await confirm(context, chosen);

  let complete = true;
  for (const { id } of chosen) {
    const reply = await callSignedIn(context, {
      method: 'POST',
      path: `/v1/sessions/${id}/revoke`,
      reply: revocationReply,
    });
    complete &&= reply.companions.every(({ acknowledged }) => acknowledged);
    if (options.json) {
      terminal.print(JSON.stringify(reply));
      continue;
    }
    terminal.print(
      `${terminal.good('Ended')} the session ${reply.session} of ${terminal.bold(reply.account)}; certificates revoked: ${reply.certificates_revoked}.`,
    );
    for (const { name, kind, acknowledged, connections_ended } of reply.companions) {
      const what = acknowledged
        ? `has it installed, connections ended: ${connections_ended}`
        : 'has not answered yet; it refuses the session as soon as it is reached';
      terminal.print(`  ${kind} ${printable(name)} ${what}`);
    }
  }
  if (!complete) terminal.tell('sally: not every machine has answered; the console shows when they do.');
  return 'done';
}

function choose(sessions: readonly SessionDocument[], who: string, context: SallyContext): SessionDocument[] {
  const isAccount = isAccountName(who);
  const found = sessions.filter(
    (session) => isLive(session, context) && (isAccount ? session.account === who : session.id === who),
  );
  if (found.length > 0) return found;
  throw new SallyportError(
    'not_found',
    `There is no live session ${isAccount ? 'of this account' : 'with this id'}. The live ones: sally admin sessions list`,
  );
}

async function confirm(context: SallyContext, chosen: readonly SessionDocument[]): Promise<void> {
  if (!context.ask) {
    throw new SallyportError(
      'settings_invalid',
      'There is no terminal to ask on. To go ahead without a question: --yes',
    );
  }
  const connections = chosen.reduce((sum, session) => sum + session.connections, 0);
  const accounts = [...new Set(chosen.map(({ account }) => account))].join(', ');
  const many = chosen.length === 1 ? 'the session' : `${chosen.length} sessions`;
  const answer = await context.ask(`End ${many} of ${accounts} (SSH connections: ${connections})? [y/N] `);
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new SallyportError('settings_invalid', 'Nothing was ended.');
}

function isLive({ ended_at, expires_at }: SessionDocument, context: SallyContext): boolean {
  return ended_at === null && expires_at > nowSeconds(context);
}
