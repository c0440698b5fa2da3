import { revocationReply } from '../../api/sessions.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { ownSessionList } from '../end-own-sessions.ts';
import type { ExitName } from '../exit-codes.ts';
import { isLive, printRevocation, printSessions } from '../print-sessions.ts';
import { readSessionFacts } from '../session-file.ts';
import { callSignedIn } from '../signed-in.ts';

export async function ownSessionsList(
  context: SallyContext,
  options: { readonly json?: boolean; readonly all?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  const { sessions } = await callSignedIn(context, ownSessionList);
  const shown = options.all ? sessions : sessions.filter((session) => isLive(session, context));
  if (options.json) {
    terminal.print(JSON.stringify({ sessions: shown }, null, 2));
    return 'done';
  }
  const current = await readSessionFacts(context);
  printSessions(context, shown, current?.session_id);
  return 'done';
}

export async function ownSessionsEnd(
  context: SallyContext,
  id: string,
  options: { readonly json?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  const { sessions } = await callSignedIn(context, ownSessionList);
  const found = sessions.find((session) => session.id === id && isLive(session, context));
  if (!found) {
    throw new SallyportError(
      'not_found',
      'You have no live session with this id. Yours: sally sessions list',
    );
  }
  const reply = await callSignedIn(context, {
    method: 'POST',
    path: `/v1/sessions/own/${id}/end`,
    reply: revocationReply,
  });
  if (options.json) terminal.print(JSON.stringify(reply));
  else printRevocation(context, reply);
  const current = await readSessionFacts(context);
  if (current?.session_id === id && !options.json)
    terminal.say('It was the one of this machine. To log in: sally login');
  return 'done';
}
