/**
 * What stands between the CA and whatever holds its keys: a deadline for each signature, so many at a time, a circuit
 * breaker, and a look at each signature, so that a signer that answers wrongly counts as one that fails.
 */
import { SallyportError } from '../../errors/sallyport-error.ts';
import { signatureAlgorithmInside, verifySignature } from '../../ssh/signature.ts';
import type { OpenSigner } from '../signer.ts';
import type { BareSigner } from './bare-signer.ts';
import { CircuitBreaker, type CircuitBreakerOptions } from './circuit-breaker.ts';
import { Turns, type TurnsOptions } from './turns.ts';

export interface SignerLimits extends CircuitBreakerOptions, TurnsOptions {
  /** For one signature, the wait for its turn included. */
  readonly deadlineMilliseconds: number;
}

export const signerLimits: SignerLimits = {
  deadlineMilliseconds: 5_000,
  atATime: 16,
  mayWait: 1_024,
  failuresInARow: 5,
  pauseMilliseconds: 5_000,
};

export interface LimitedSignerOptions {
  readonly limits: SignerLimits;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Whether each signature is checked here already; nobody releases one without checking it in any case. */
  readonly verifies: boolean;
}

/** The signer with its limits. Every failure of sign() is a signer_failed, whose message is for the operator. */
export function limitSigner(bare: BareSigner, { limits, now, verifies }: LimitedSignerOptions): OpenSigner {
  const breaker = new CircuitBreaker(limits);
  const turns = new Turns(limits);

  async function signInTurn(bytes: Uint8Array, signal: AbortSignal): Promise<Buffer> {
    if (!breaker.admit(now())) throw resting();
    try {
      const signature = await untilAborted(bare.sign(bytes, signal), signal);
      if (verifies) checkSignature(bare, bytes, signature);
      breaker.succeeded();
      return signature;
    } catch (error) {
      breaker.failed(now());
      throw asSignerFailure(error);
    }
  }

  return {
    publicKey: bare.publicKey,
    algorithm: bare.algorithm,
    sign: async (bytes) => {
      if (!breaker.wouldAdmit(now())) throw resting();
      const deadline = new AbortController();
      const timer = setTimeout(() => deadline.abort(), limits.deadlineMilliseconds);
      try {
        // Whoever has a turn now came earlier, and ends at an earlier deadline.
        if (!(await turns.take())) throw failed('too many signatures wait for the CA key');
        try {
          return await signInTurn(bytes, deadline.signal);
        } finally {
          turns.give();
        }
      } finally {
        clearTimeout(timer);
      }
    },
    close: () => bare.close(),
  };
}

/** @throws signature_invalid, signer_failed unless it is a signature of this key over the bytes, by its algorithm */
export function checkSignature(
  { publicKey, algorithm }: Pick<BareSigner, 'publicKey' | 'algorithm'>,
  bytes: Uint8Array,
  signature: Buffer,
): void {
  const found = signatureAlgorithmInside(signature);
  if (found !== algorithm) throw failed(`it signed with ${found} instead of ${algorithm}`);
  verifySignature({ publicKey, bytes, signature });
}

/** Like `work`, or an error as soon as `signal` is aborted; work that goes on is nobody's business then. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(failed('it did not answer in time'));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function asSignerFailure(error: unknown): SallyportError {
  if (error instanceof SallyportError && error.code === 'signer_failed') return error;
  const problem = error instanceof Error ? error.message : String(error);
  return failed(problem.replace(/\.$/, ''), error);
}

function resting(): SallyportError {
  return failed('it failed several times in a row and is left alone for some seconds');
}

function failed(problem: string, cause?: unknown): SallyportError {
  return new SallyportError('signer_failed', `The CA key could not sign: ${problem}.`, { cause });
}
