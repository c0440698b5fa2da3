/**
 * Keeps the certificate good. Who comes while another process renews does not wait if the certificate at hand still
 * serves; who had to wait looks again before renewing.
 */
import type { EnvironmentName } from '../api/certificates.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import { type CurrentPair, currentPair, useNoIdentity } from './current-pair.ts';
import type { MachineCredential } from './machine-credential.ts';
import { machineSession, recognizeMachine } from './machine-session.ts';
import { narrowedPaths } from './narrowed-paths.ts';
import { type Rotation, type RotationStep, rotatePair } from './rotate-pair.ts';
import {
  readSchedule,
  renewalDueAt,
  renewFrom,
  renewNoMore,
  type Scheduled,
  type WhyNothing,
} from './schedule.ts';
import { deleteSession, readSession, type StoredSession } from './session-file.ts';
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
  /** For ssh, which comes again: asks nobody who has been asked a moment ago in vain. */
  readonly quiet?: boolean;
  /** The certificate that is narrowed to this, in place of the general one. */
  readonly environment?: EnvironmentName;
  readonly onStep?: (step: RotationStep) => void;
}

/** With less left a certificate may be over before sshd has looked at it. */
const usableSeconds = 30;
/** After a failure, ssh does not try again before this is over while the certificate still serves. */
const patienceSeconds = 30;
/** And where nothing serves: of fifty that wait for a server which is away, not each asks it in its turn. */
const breathSeconds = 5;

export async function ensureCertificate(
  context: SallyContext,
  { force = false, quiet = false, environment, onStep }: EnsureOptions = {},
): Promise<CertificateOutcome> {
  const { debug } = context;
  const paths = environment ? narrowedPaths(context.paths, environment) : context.paths;
  const before = usable(await currentPair(paths), context);
  const renew = async () => {
    const now = await currentPair(paths);
    // Forced, but while this waited another process has renewed: that is what was wanted.
    const stillForced = force && now?.id === before?.id;
    return await underLock(
      { ...context, paths },
      {
        session: context,
        force: stillForced,
        quiet,
        ...(environment && { environment }),
        ...(onStep && { onStep }),
      },
    );
  };
  if (!before || force) return await withStateLock(paths, renew);
  const outcome = await withStateLockIfFree(paths, renew);
  if (outcome) return outcome;
  debug.say('another process is renewing; the certificate at hand serves');
  return { kind: 'current', pair: before };
}

/** @param context of the certificate; `about.session` that of the login, which is another where it is narrowed */
async function underLock(
  context: SallyContext,
  about: EnsureOptions & { readonly session: SallyContext },
): Promise<CertificateOutcome> {
  const { paths, debug, machine } = context;
  const { session: login, force, quiet, environment, onStep } = about;
  const who = machine ? await machineAtHand(login, machine) : await personAtHand(login);
  if ('outcome' in who) return who.outcome;
  const { session } = who;
  const found = usable(await currentPair(paths), context);
  const pair = session && found && !isOfLogin(found, session) ? undefined : found;

  const now = nowSeconds(context);
  const schedule = await readSchedule(paths);
  if (pair && !force && schedule && schedule.since <= now && now < dueAt(schedule, pair)) {
    debug.say(`nothing is due: certificate ${pair.serial} is good`);
    // A crash may have come between the pair and its schedule.
    if (schedule.due !== dueAt(schedule, pair))
      await renewFrom(paths, { due: renewalDueAt(pair), nowSeconds: now });
    return { kind: 'current', pair };
  }
  if (!pair && quiet && schedule && schedule.since <= now && isPause(schedule, now)) {
    debug.say('another process has just asked in vain');
    return {
      kind: 'outage',
      pair,
      error: new SallyportError('unavailable', 'The server was asked just now.'),
    };
  }

  try {
    const rotated = await rotatePair(context, {
      ...(await who.ready()),
      // In the background nobody looks at a security key that waits for a touch.
      ...(quiet && { mayProve: false }),
      ...(environment && { environment }),
      ...(onStep && { onStep }),
    });
    await refreshSshConfiguration(login, rotated.session);
    return { kind: 'renewed', pair: rotated.pair };
  } catch (error) {
    if (!isSallyportError(error) || error.code === 'file_refused') throw error;
    debug.say(`no new certificate: ${error.code}: ${error.message}`);
    if (endedByServer(error)) {
      // The credential of a machine may serve still; what its ended session has got does not.
      const isOver = !machine || error.code === 'session_ended';
      if (isOver && environment) await useNoIdentity(paths);
      if (isOver && machine) return await machineOver(login, error);
      if (isOver) {
        await rememberOver(login);
        return { kind: 'over', pair: undefined };
      }
    }
    return await withoutNew(context, pair, error);
  }
}

/**
 * After a login as somebody else, or at another server, the earlier certificate does not serve; ids of sessions are no
 * two servers' (RFC 9562). A machine has a new session whenever it shows its credential.
 */
function isOfLogin(
  { principals, keyId }: CurrentPair,
  { account, session_id, mode }: StoredSession,
): boolean {
  return principals.includes(account) && (mode === 'machine' || keyId === `${account}/${session_id}`);
}

/** Whose certificate is due, and how it gets to tokens for it. */
type AtHand =
  | {
      readonly session: StoredSession | undefined;
      readonly ready: () => Promise<Pick<Rotation, 'session' | 'tokensAreNew'>>;
    }
  | { readonly outcome: CertificateOutcome };

async function personAtHand(context: SallyContext): Promise<AtHand> {
  const { paths } = context;
  const session = await readSession(context);
  if (!session) {
    await renewNoMore(paths, 'out');
    return { outcome: { kind: 'logged-out', pair: usable(await currentPair(paths), context) } };
  }
  context.nonce.recall(session.dpop_nonce);
  const { tokens } = session;
  if (tokens) return { session, ready: async () => ({ session: { ...session, tokens } }) };
  await rememberOver(context);
  return { outcome: { kind: 'over', pair: undefined } };
}

async function machineAtHand(context: SallyContext, credential: MachineCredential): Promise<AtHand> {
  try {
    const recognized = await recognizeMachine(context, credential);
    const ready = async () => ({ session: await machineSession(context, recognized), tokensAreNew: true });
    return { session: recognized.session, ready };
  } catch (error) {
    if (!isSallyportError(error) || error.code === 'file_refused') throw error;
    const pair = usable(await currentPair(context.paths), context);
    return { outcome: await withoutNew(context, pair, error) };
  }
}

async function machineOver(context: SallyContext, error: SallyportError): Promise<CertificateOutcome> {
  await useNoIdentity(context.paths);
  await deleteSession(context);
  return await withoutNew(context, undefined, error);
}

async function withoutNew(
  context: SallyContext,
  pair: CurrentPair | undefined,
  error: SallyportError,
): Promise<CertificateOutcome> {
  const isOutage = error.status >= 500;
  const now = nowSeconds(context);
  // Never past the end of the certificate, should the clock be wrong now.
  const due = pair ? Math.min(now + patienceSeconds, pair.endsHere) : now + breathSeconds;
  await renewFrom(context.paths, { due, nowSeconds: now, why: isOutage ? undefined : whyNothing(error) });
  return { kind: isOutage ? 'outage' : 'refused', pair, error };
}

function whyNothing({ code, members }: SallyportError): WhyNothing {
  if (code !== 'insufficient_user_authentication') return 'refused';
  const { max_age } = members;
  return typeof max_age === 'number' ? `mfa-${max_age}` : 'mfa';
}

/** The later of what the file says (it may be a pause after an outage) and what the certificate itself says. */
function dueAt({ due }: Scheduled, pair: CurrentPair): number {
  return Math.max(typeof due === 'number' ? due : 0, renewalDueAt(pair));
}

function isPause({ due }: Scheduled, now: number): boolean {
  return typeof due === 'number' && now < due && due <= now + breathSeconds;
}

function usable(pair: CurrentPair | undefined, context: SallyContext): CurrentPair | undefined {
  return pair && pair.endsHere - usableSeconds > nowSeconds(context) ? pair : undefined;
}
