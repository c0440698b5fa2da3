import { revocationReply, type SessionDocument, sessionList } from '../../api/sessions.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { isAccountName } from '../../ssh/names.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { isLive, printRevocation, printSessions } from '../print-sessions.ts';
import { callSignedIn } from '../signed-in.ts';

const list = { method: 'GET', path: '/v1/sessions', reply: sessionList } as const;

export async function adminSessionsList(
  context: SallyContext,
  options: { readonly json?: boolean; readonly all?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
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
  printSessions(context, shown);
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
    if (options.json) terminal.print(JSON.stringify(reply));
    else printRevocation(context, reply);
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
