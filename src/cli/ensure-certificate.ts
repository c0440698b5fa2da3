/**
 * Keeps the certificate good. Who comes while another process renews does not wait if the certificate at hand still
 * serves; who had to wait looks again before renewing.
 */
import { isSallyportError, type SallyportError } from '../errors/sallyport-error.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import { type CurrentPair, currentPair } from './current-pair.ts';
import { type RotationStep, rotatePair } from './rotate-pair.ts';
import { readSchedule, renewalDueAt, type Schedule, writeSchedule } from './schedule.ts';
import { readSession } from './session-file.ts';
import { endedByServer, rememberOver } from './session-over.ts';
import { refreshSshConfiguration } from './ssh-configuration.ts';
import { withStateLock, withStateLockIfFree } from './state-folder.ts';

export type CertificateOutcome =
  /** The certificate at hand is good. */
  | { readonly kind: 'current'; readonly pair: CurrentPair }
  | { readonly kind: 'renewed'; readonly pair: CurrentPair }
  /** Below, `pair` is what is left: a certificate that still has time, or nothing. */
  | { readonly kind: 'logged-out' | 'over'; readonly pair: CurrentPair | undefined }
  /** The server could not be asked, or refused this one request. */
  | {
      readonly kind: 'outage' | 'refused';
      readonly pair: CurrentPair | undefined;
      readonly error: SallyportError;
    };

export interface EnsureOptions {
  /** Renew even if nothing is due. */
  readonly force?: boolean;
  readonly onStep?: (step: RotationStep) => void;
}

/** With less left a certificate may be over before sshd has looked at it. */
const usableSeconds = 30;
/** After a failure, ssh does not try again before this is over while the certificate still serves. */
const patienceSeconds = 30;

export async function ensureCertificate(
  context: SallyContext,
  { force = false, onStep }: EnsureOptions = {},
): Promise<CertificateOutcome> {
  const { paths, debug } = context;
  const before = usable(await currentPair(paths), context);
  const renew = async () => {
    const now = await currentPair(paths);
    // Forced, but while this waited another process has renewed: that is what was wanted.
    const stillForced = force && now?.id === before?.id;
    return await underLock(context, { force: stillForced, ...(onStep && { onStep }) });
  };
  if (!before || force) return await withStateLock(paths, renew);
  const outcome = await withStateLockIfFree(paths, renew);
  if (outcome) return outcome;
  debug.say('another process is renewing; the certificate at hand serves');
  return { kind: 'current', pair: before };
}

async function underLock(
  context: SallyContext,
  { force, onStep }: { force: boolean; onStep?: (step: RotationStep) => void },
): Promise<CertificateOutcome> {
  const { paths, debug } = context;
  const session = await readSession(paths, debug);
  const found = usable(await currentPair(paths), context);
  // After a login as somebody else the earlier person's certificate does not serve.
  const pair = !session || found?.principals.includes(session.account) ? found : undefined;
  if (!session) {
    await writeSchedule(paths, 'out');
    return { kind: 'logged-out', pair };
  }
  const { tokens } = session;
  if (!tokens) {
    await rememberOver(context);
    return { kind: 'over', pair: undefined };
  }

  const schedule = await readSchedule(paths);
  if (pair && !force && schedule !== undefined && nowSeconds(context) < dueAt(schedule, pair)) {
    debug.say(`nothing is due: certificate ${pair.serial} is good`);
    // A crash may have come between the pair and its schedule.
    if (schedule !== dueAt(schedule, pair)) await writeSchedule(paths, renewalDueAt(pair));
    return { kind: 'current', pair };
  }

  try {
    const rotated = await rotatePair(context, { session: { ...session, tokens }, ...(onStep && { onStep }) });
    await refreshSshConfiguration(context, rotated.session);
    return { kind: 'renewed', pair: rotated.pair };
  } catch (error) {
    if (!isSallyportError(error) || error.code === 'file_refused') throw error;
    debug.say(`no new certificate: ${error.code}: ${error.message}`);
    if (endedByServer(error)) {
      await rememberOver(context);
      return { kind: 'over', pair: undefined };
    }
    if (pair) {
      // Never past the end of the certificate, should the clock be wrong now.
      await writeSchedule(paths, Math.min(nowSeconds(context) + patienceSeconds, pair.validBefore));
    }
    return { kind: error.status >= 500 ? 'outage' : 'refused', pair, error };
  }
}

/** The later of what the file says (it may be a pause after an outage) and what the certificate itself says. */
function dueAt(scheduled: Schedule, pair: CurrentPair): number {
  return Math.max(typeof scheduled === 'number' ? scheduled : 0, renewalDueAt(pair));
}

function usable(pair: CurrentPair | undefined, context: SallyContext): CurrentPair | undefined {
  return pair && pair.validBefore - usableSeconds > nowSeconds(context) ? pair : undefined;
}
