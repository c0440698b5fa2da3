/**
 * After ssh has failed: reads what it said, asks the server (never the gateway again) where that leaves the cause open, and
 * stops offering a certificate whose session is over. There is no second connection: sshd (9.8 and later) makes everybody
 * behind an address wait for one who offers a revoked certificate again and again.
 */
import { explainReply } from '../../api/explain.ts';
import { ownSession } from '../../api/sessions.ts';
import { isSallyportError } from '../../errors/sallyport-error.ts';
import { isTargetName } from '../../ssh/names.ts';
import type { SallyContext } from '../context.ts';
import { printable } from '../printable.ts';
import { callSignedIn } from '../signed-in.ts';
import { type Circumstances, diagnosisLine, type Verdict } from './diagnosis.ts';
import { readRefusal, type SshFailure } from './read-refusal.ts';

export interface Aftermath {
  readonly failure: SshFailure;
  /** For the person: what happened and the next command, without "sally: ". */
  readonly line: string;
  /** Whether the same might work later by itself; otherwise somebody has to do something first. */
  readonly mayMend: boolean;
}

export interface FailedSsh {
  readonly stderr: string;
  /** The target's name; absent for a gateway, or several targets. */
  readonly target?: string | undefined;
}

/** @returns undefined if nothing on stderr is known for a failure of the connection */
export async function afterRefusal(
  context: SallyContext,
  { stderr, target }: FailedSsh,
): Promise<Aftermath | undefined> {
  const failure = readRefusal(stderr);
  if (!failure) return undefined;
  const about = await circumstances(quiet(context), failure, target);
  const found = confirmed(failure, about.isOver);
  context.debug.say(`ssh failed: ${JSON.stringify(found)}`);
  return { failure: found, line: diagnosisLine(found, about), mayMend: mayMend(found, about.verdict) };
}

/**
 * What the other end writes is only a reason to ask: the server alone says that a session is over. Without its word there
 * is a certificate that was not accepted, which may have been revoked alone.
 */
function confirmed(failure: SshFailure, isOver: boolean): SshFailure {
  switch (failure.kind) {
    case 'key-refused':
    case 'jump-refused':
      return isOver ? { kind: 'session-over', detail: '' } : failure;
    case 'session-over':
      return isOver ? failure : { kind: 'key-refused' };
    default:
      return failure;
  }
}

/** Nobody logs in here: what helps is said. */
function quiet(context: SallyContext): SallyContext {
  return { ...context, paths: context.paths, mayStepUp: false, patienceMilliseconds: 5000 };
}

/** Failures of which only the server can tell the cause. */
const asked: readonly SshFailure['kind'][] = ['key-refused', 'jump-refused', 'session-over', 'denied'];

async function circumstances(
  context: SallyContext,
  { kind }: SshFailure,
  target: string | undefined,
): Promise<Circumstances & { readonly isOver: boolean }> {
  if (!asked.includes(kind)) return { target, isOver: false };
  try {
    // What ends with "the session is over" is remembered on the way (signed-in.ts).
    if (target === undefined || !isTargetName(target)) {
      await callSignedIn(context, { method: 'GET', path: '/v1/session', reply: ownSession });
      return { target, isOver: false };
    }
    const path = `/v1/explain?${new URLSearchParams({ target })}`;
    const { allowed, reasons } = await callSignedIn(context, { method: 'GET', path, reply: explainReply });
    const [first] = reasons;
    const verdict = { allowed, code: first?.code, message: first && printable(first.message) };
    return { target, verdict, isOver: false };
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    context.debug.say(`the server was asked why: ${error.code}: ${error.message}`);
    const isOver = error.code === 'session_ended' || error.code === 'token_missing';
    return { target, isOver, serverIsAway: error.status >= 500 };
  }
}

/** Reasons that pass without anybody at this end. */
const passing = /^(instance_(starting|stopped|paused|inactive)|no_instance|machine_stale|machine_clock)$/;

function mayMend({ kind }: SshFailure, verdict: Verdict | undefined): boolean {
  switch (kind) {
    case 'unavailable':
    case 'unreachable':
    case 'turned-away':
    case 'target-unreachable':
    case 'connection-lost':
      return true;
    case 'denied':
    case 'jump-refused':
    case 'key-refused':
      return verdict === undefined || verdict.allowed || passing.test(verdict.code ?? '');
    default:
      return false;
  }
}
