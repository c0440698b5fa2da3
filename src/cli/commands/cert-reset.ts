/** `sally cert reset`: every key and certificate of this machine goes, and new ones come from the login. */
import type { SallyContext } from '../context.ts';
import { useNoIdentity } from '../current-pair.ts';
import { forgetAgentKeys } from '../end-programs.ts';
import { ensureCertificate } from '../ensure-certificate.ts';
import { type ExitName, exitNameOf } from '../exit-codes.ts';
import { dropNarrowed } from '../narrowed-paths.ts';
import { forgetPending } from '../pending-request.ts';
import { forgetSchedule } from '../schedule.ts';
import { readSessionFacts } from '../session-file.ts';
import { withStateLock } from '../state-folder.ts';
import { dropAllPairs } from '../store-pair.ts';
import { fromNow } from '../times.ts';

export async function certReset(context: SallyContext): Promise<ExitName> {
  const { paths, terminal } = context;
  await withStateLock(paths, async () => {
    // First nothing is offered; then what is there goes.
    await useNoIdentity(paths);
    await forgetAgentKeys(context);
    await dropAllPairs(paths);
    await dropNarrowed(paths);
    await forgetPending(paths);
    await forgetSchedule(paths);
  });
  terminal.print('Keys and certificates are gone from this machine; the login stays.');
  const session = await readSessionFacts(context);
  if (!context.machine && !session?.has_tokens) {
    terminal.say('There is no login to make new ones from. Run: sally login');
    return 'notLoggedIn';
  }
  const outcome = await ensureCertificate(context, { force: true });
  if (outcome.kind === 'renewed') {
    terminal.say(`A new certificate is there; it ends ${fromNow(outcome.pair.validBefore, context.now())}.`);
    return 'done';
  }
  if ('error' in outcome) {
    terminal.tell(`sally: no new certificate: ${outcome.error.message}`);
    return exitNameOf(outcome.error.code);
  }
  terminal.tell('sally: session expired, run: sally login');
  return 'notLoggedIn';
}
