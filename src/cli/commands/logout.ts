import { isSallyportError } from '../../errors/sallyport-error.ts';
import { callApi, refreshSession } from '../api-client.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import { useNoIdentity } from '../current-pair.ts';
import type { ExitName } from '../exit-codes.ts';
import { forgetPending } from '../pending-request.ts';
import { writeSchedule } from '../schedule.ts';
import { deleteSession, readSession, type StoredSession } from '../session-file.ts';
import { endedByServer } from '../session-over.ts';
import { withStateLock } from '../state-folder.ts';
import { dropAllPairs } from '../store-pair.ts';

/** Ends the session at the server, and here in any case. */
export async function logout(context: SallyContext): Promise<ExitName> {
  const { paths, terminal, debug } = context;
  return await withStateLock(paths, async () => {
    const session = await readSession(paths, debug).catch((error) => {
      // A file that cannot be trusted is removed like any other.
      debug.say(`session.json: ${error}`);
      return undefined;
    });
    const failure = session && (await endAtServer(context, session));
    await useNoIdentity(paths);
    await dropAllPairs(paths);
    await forgetPending(paths);
    await deleteSession(paths);
    await writeSchedule(paths, 'out');

    if (!session) {
      terminal.print('Nobody was logged in; whatever was left of keys and certificates is gone.');
      return 'done';
    }
    terminal.print(
      `Logged out ${session.account}: keys, certificates and tokens are gone from this machine.`,
    );
    if (failure === undefined) return 'done';
    terminal.tell(`sally: the session could not be ended at the server: ${failure}`);
    terminal.tell('sally: it ends there by itself; to end it now, ask an admin, or use the console.');
    return 'unreachable';
  });
}

/** @returns why it did not work */
async function endAtServer(context: SallyContext, session: StoredSession): Promise<string | undefined> {
  const { tokens } = session;
  if (!tokens) return undefined; // the server has said before that it is over
  try {
    const live = { ...session, tokens };
    const isGood = tokens.access_token_expires_at - 20 > nowSeconds(context);
    const credentials = isGood ? live : await refreshSession(context, live);
    await callApi(context, credentials, { method: 'POST', path: '/v1/session/end', reply: null });
    return undefined;
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    return endedByServer(error) ? undefined : error.message;
  }
}
