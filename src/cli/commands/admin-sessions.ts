import {
  type RevocationReply,
  revocationReply,
  type SessionDocument,
  sessionList,
  sessionsEnded,
} from '../../api/sessions.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { isAccountName } from '../../ssh/names.ts';
import { confirmed } from '../confirmed.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { isLive, printRevocation, printSessions, printSessionsEnded } from '../print-sessions.ts';
import { callSignedIn } from '../signed-in.ts';
import { momentOf } from '../times.ts';

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

export interface RevokeOptions {
  readonly account?: string;
  readonly before?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export async function adminSessionsRevoke(
  context: SallyContext,
  who: string | undefined,
  options: RevokeOptions,
): Promise<ExitName> {
  const { account, before } = options;
  if ([who, account, before].filter((given) => given !== undefined).length !== 1) {
    throw new SallyportError(
      'settings_invalid',
      'Say whose: a session id, an account, --account ACCOUNT, or --before TIME.',
    );
  }
  if (account !== undefined) return await revokeAccount(context, account, options);
  if (before !== undefined) return await revokeBeforeMoment(context, before, options);
  return await revokeChosen(context, who ?? '', options);
}

/** All of an account at once, also what began a moment ago. */
async function revokeAccount(
  context: SallyContext,
  account: string,
  options: RevokeOptions,
): Promise<ExitName> {
  if (!isAccountName(account)) throw new SallyportError('name_refused', 'An account is alice@example.com.');
  if (!options.yes) await confirmed(context, `End every session of ${account}?`);
  return await endMany(context, options, {
    path: `/v1/accounts/${encodeURIComponent(account)}/sessions/revoke`,
  });
}

async function revokeBeforeMoment(
  context: SallyContext,
  text: string,
  options: RevokeOptions,
): Promise<ExitName> {
  const before = momentOf(text, context.now());
  const moment = new Date(before * 1000).toISOString();
  if (!options.yes) {
    await confirmed(context, `End every session of the organization that began before ${moment}?`);
  }
  return await endMany(context, options, { path: '/v1/sessions/revoke-before', body: { before } });
}

async function endMany(
  context: SallyContext,
  { json }: RevokeOptions,
  request: { readonly path: string; readonly body?: unknown },
): Promise<ExitName> {
  const reply = await callSignedIn(context, { method: 'POST', ...request, reply: sessionsEnded });
  if (json) context.terminal.print(JSON.stringify(reply));
  else printSessionsEnded(context, reply);
  tellIfIncomplete(context, [reply]);
  return 'done';
}

async function revokeChosen(context: SallyContext, who: string, options: RevokeOptions): Promise<ExitName> {
  const { sessions } = await callSignedIn(context, list);
  const chosen = choose(sessions, who, context);
  if (!options.yes) await confirmChosen(context, chosen);
  const replies: RevocationReply[] = [];
  for (const { id } of chosen) {
    const reply = await callSignedIn(context, {
      method: 'POST',
      path: `/v1/sessions/${id}/revoke`,
      reply: revocationReply,
    });
    replies.push(reply);
    if (options.json) context.terminal.print(JSON.stringify(reply));
    else printRevocation(context, reply);
  }
  tellIfIncomplete(context, replies);
  return 'done';
}

function tellIfIncomplete(
  { terminal }: SallyContext,
  replies: readonly Pick<RevocationReply, 'companions'>[],
): void {
  const complete = replies.every(({ companions }) => companions.every(({ acknowledged }) => acknowledged));
  if (!complete) terminal.tell('sally: not every machine has answered; the console shows when they do.');
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

async function confirmChosen(context: SallyContext, chosen: readonly SessionDocument[]): Promise<void> {
  const connections = chosen.reduce((sum, session) => sum + session.connections, 0);
  const accounts = [...new Set(chosen.map(({ account }) => account))].join(', ');
  const many = chosen.length === 1 ? 'the session' : `${chosen.length} sessions`;
  await confirmed(context, `End ${many} of ${accounts} (SSH connections: ${connections})?`);
}
