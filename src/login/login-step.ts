/** One request of a browser that is between two steps of its login. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { readBrowserSecret } from './browser-secret.ts';
import { notePurpose } from './identity-provider.ts';
import type { LoginAttempt, PendingAssertion, PendingEnrolment, PendingLogin } from './login-attempt.ts';
import type { LoginFlowParts } from './login-purpose.ts';
import { stateInvalid } from './login-state.ts';
import { newChallenge } from './passkey-challenge.ts';
import { type PendingPlace, savePending } from './pending-login.ts';

export interface LoginStep {
  readonly parts: LoginFlowParts;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly now: Date;
}

const mostTries = 5;

export function placeOf({ parts, request }: Pick<LoginStep, 'parts' | 'request'>): PendingPlace {
  const { database, sealer, publicUrl } = parts;
  return { db: database.db, sealer, browserSecret: readBrowserSecret(request, publicUrl) };
}

/** The next step of a login that was taken out; it lives no longer than the first. @returns its handle */
export async function nextStep(step: LoginStep, pending: PendingLogin, expiresAt: Date): Promise<string> {
  return await savePending(placeOf(step), pending, step.now, expiresAt);
}

/**
 * Lets the person try again, at a step of its own with another challenge, if what went wrong is of the kind that another
 * try may mend.
 * @throws the error otherwise
 */
export async function tryAgain(
  step: LoginStep,
  { payload, expiresAt }: { readonly payload: PendingAssertion | PendingEnrolment; readonly expiresAt: Date },
  error: unknown,
  page: 'passkey' | 'recovery',
): Promise<unknown> {
  const mayTry = isSallyportError(error) && mendable.includes(error.code) && payload.tries + 1 < mostTries;
  if (!mayTry) throw notePurpose(error, { ...payload.attempt });
  const pending = { ...payload, challenge: newChallenge(), problem: error.message, tries: payload.tries + 1 };
  const handle = await nextStep(step, pending, expiresAt);
  return step.reply.redirect(`/login/${page}/${handle}`, 303);
}

const mendable: readonly string[] = ['passkey_refused', 'recovery_code_refused', 'too_many_attempts'];

/** @throws login_state_invalid if nobody waits for this login any more */
export function handlerOf({ parts }: LoginStep, { kind }: LoginAttempt) {
  const handler = parts.handlers.get(kind);
  if (handler === undefined) throw stateInvalid();
  return handler;
}
