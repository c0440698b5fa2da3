import { isSallyportError, SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { useNoIdentity } from '../current-pair.ts';
import { endAtServer } from '../end-at-server.ts';
import { endOthers } from '../end-own-sessions.ts';
import { endControlMasters, forgetAgentKeys } from '../end-programs.ts';
import type { ExitName } from '../exit-codes.ts';
import { dropNarrowed } from '../narrowed-paths.ts';
import { forgetPending } from '../pending-request.ts';
import { forgetSchedule, renewNoMore } from '../schedule.ts';
import {
  deleteSession,
  readSession,
  readSessionFacts,
  type SessionFacts,
  type StoredSession,
} from '../session-file.ts';
import { withStateLock } from '../state-folder.ts';
import { dropAllPairs } from '../store-pair.ts';
import { endOwnTunnels } from '../tunnels/end-own-tunnels.ts';

export interface LogoutOptions {
  readonly all?: boolean;
  readonly other?: boolean;
}

/** Ends the session at the server, and here in any case; the person's others too where that is asked for. */
export async function logout(context: SallyContext, options: LogoutOptions): Promise<ExitName> {
  const { terminal } = context;
  if (options.all && options.other) {
    throw new SallyportError('settings_invalid', '--all and --other exclude each other.');
  }
  if (options.other) {
    const ended = await endOthers(context);
    terminal.print(`Your other sessions are over: ${ended}.`);
    return 'done';
  }
  // Logging out here works in any case.
  const failure = options.all ? await othersFailure(context) : undefined;
  const exit = await logoutHere(context);
  if (failure === undefined) return exit;
  terminal.tell(`sally: your other sessions could not be ended: ${failure}`);
  return exit === 'done' ? 'unreachable' : exit;
}

async function othersFailure(context: SallyContext): Promise<string | undefined> {
  try {
    await endOthers(context);
    return undefined;
  } catch (error) {
    if (isSallyportError(error)) return error.message;
    throw error;
  }
}

async function logoutHere(context: SallyContext): Promise<ExitName> {
  const { paths, terminal, debug } = context;
  let account: string | undefined;
  const exit = await withStateLock(paths, async () => {
    let unread: string | undefined;
    const session = await readSession(context).catch((error) => {
      // A file that cannot be trusted is removed like any other.
      debug.say(`session.json: ${error}`);
      unread = error instanceof Error ? error.message : String(error);
      return undefined;
    });
    context.nonce.recall(session?.dpop_nonce);
    const failure = session ? await endAtServer(context, session) : unread;
    const known = session ?? (await readSessionFacts(context).catch(() => undefined));
    account = known?.account;
    // First nobody gets anything new; then what is there goes.
    if (context.machine) await forgetSchedule(paths);
    else await renewNoMore(paths, 'out');
    await useNoIdentity(paths);
    await endControlMasters(context);
    await forgetAgentKeys(context);
    await dropAllPairs(paths);
    await dropNarrowed(paths);
    await forgetPending(paths);
    await deleteSession(context);
    return report(context, known, failure);
  });
  // Not under the lock, which what keeps a tunnel may be waiting for.
  const closed = await endOwnTunnels(context, account);
  if (closed > 0) terminal.print(`Closed ${closed === 1 ? 'its tunnel' : `its ${closed} tunnels`}.`);
  return exit;

  function report(
    { machine }: SallyContext,
    session: SessionFacts | StoredSession | undefined,
    failure: string | undefined,
  ): ExitName {
    if (!session) {
      terminal.print('Nobody was logged in; whatever was left of keys and certificates is gone.');
      return 'done';
    }
    terminal.say(`Logged out ${session.account}: keys, certificates and tokens are gone from this machine.`);
    if (machine) terminal.print(`${machine.source} is still set: the next ssh is that machine again.`);
    if (failure === undefined) return 'done';
    terminal.tell(`sally: the session could not be ended at the server: ${failure}`);
    terminal.tell('sally: it ends there by itself; to end it now, ask an admin, or use the console.');
    return 'unreachable';
  }
}
