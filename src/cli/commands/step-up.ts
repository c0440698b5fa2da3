import { join } from 'node:path';
import { explainReply } from '../../api/explain.ts';
import { isSallyportError, type SallyportError } from '../../errors/sallyport-error.ts';
import { tryProcessLock, waitForProcessLock } from '../../files/process-lock.ts';
import { isTargetName } from '../../ssh/names.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { requireAllowed } from '../reach/find-target.ts';
import { callSignedIn } from '../signed-in.ts';
import { prepareStateFolder } from '../state-folder.ts';
import { stepUp } from '../step-up.ts';

/** Longer than a login takes. */
const patienceMilliseconds = 11 * 60_000;

/**
 * What plain ssh waits for where its target wants a younger second factor than the login's, by the numbers that lie here:
 * the server decides, so that a wrong clock or an old policy sends nobody to a page. Silent unless there is one to open:
 * of everything else ssh and the gateway tell.
 */
export async function stepUpForSsh(context: SallyContext, target: string): Promise<ExitName> {
  const { paths, debug } = context;
  if (context.machine || !isTargetName(target)) return 'done';
  await prepareStateFolder(paths);
  const file = join(paths.own, 'step-up.lock');
  const lock = tryProcessLock(file);
  if (!lock) {
    debug.say('another ssh of this home asks for the second factor');
    (await waitForProcessLock(file, patienceMilliseconds))?.release();
    return 'done';
  }
  try {
    const refusal = await secondFactorWanted(context, target);
    if (refusal) await stepUp(context, refusal);
    return 'done';
  } finally {
    lock.release();
  }
}

async function secondFactorWanted(
  context: SallyContext,
  target: string,
): Promise<SallyportError | undefined> {
  try {
    const path = `/v1/explain?${new URLSearchParams({ target })}`;
    const quiet = { ...context, mayStepUp: false, patienceMilliseconds: 5000 };
    const reply = await callSignedIn(quiet, { method: 'GET', path, reply: explainReply });
    const { allowed, reasons, command } = reply;
    requireAllowed({ name: target, allowed, reason: reasons[0] ?? null, command });
    context.debug.say(`${target} lets the person in as they are`);
    return undefined;
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    context.debug.say(`${target}: ${error.code}: ${error.message}`);
    return error.code === 'insufficient_user_authentication' ? error : undefined;
  }
}
