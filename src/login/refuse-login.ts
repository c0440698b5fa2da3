/** A login that can't go on: recorded if it was under way, and told to whoever waits for it. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { recordEvent } from '../audit/record-event.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError, type SallyportError } from '../errors/sallyport-error.ts';
import { purposeOfFailure } from './identity-provider.ts';
import { leadBrowser } from './lead-browser.ts';
import { isWorthRecording } from './limit-logins.ts';
import { type LoginAttempt, type PendingFailure, readAttempt } from './login-attempt.ts';
import { loginRefusedPage } from './login-pages.ts';
import type { LoginFlowParts, LoginPurpose } from './login-purpose.ts';
import { type LoginStep, placeOf } from './login-step.ts';
import { savePending } from './pending-login.ts';
import { sendLoginPage } from './send-login-page.ts';

type Parts = Pick<LoginFlowParts, 'database' | 'handlers' | 'clock'>;

/** @param issuer of the provider whose reply it was */
export async function refuseLogin(
  parts: Parts,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  issuer?: string,
): Promise<unknown> {
  const purpose = attemptOfFailure(error)?.purpose;
  if (!isSallyportError(error)) request.log.error({ err: error }, 'login failed');
  else request.log.info({ code: error.code, status: error.status, detail: error.detail }, 'refused');
  // A login that was under way; anybody else only makes lines in the server's own log.
  if (isSallyportError(error) && purpose) await record(parts, error, request, issuer);
  if (isSallyportError(error) && purpose) {
    const told = await tell(parts, error, purpose, request, reply);
    if (told !== undefined) return told;
  }
  const page = loginRefusedPage(error, request.id);
  return sendLoginPage(reply, page.html, page.status);
}

function attemptOfFailure(error: unknown): LoginAttempt | undefined {
  const noted = purposeOfFailure(error);
  if (noted === undefined) return undefined;
  try {
    return readAttempt(noted);
  } catch {
    return undefined;
  }
}

/** The same for a form: whoever waits is told by the request after it. */
export async function refuseForm(step: LoginStep, error: unknown): Promise<unknown> {
  const { parts, request, reply, now } = step;
  const attempt = attemptOfFailure(error);
  const { browserSecret } = placeOf(step);
  if (!isSallyportError(error) || attempt === undefined || browserSecret === undefined) {
    return await refuseLogin(parts, error, request, reply);
  }
  const { code, message } = error;
  const failure: PendingFailure = { step: 'failed', attempt, code, message };
  return leadBrowser(request, reply, `/login/continue/${await savePending(placeOf(step), failure, now)}`);
}

async function tell(
  { handlers }: Parts,
  error: SallyportError,
  purpose: LoginPurpose,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown | undefined> {
  try {
    return await handlers.get(purpose.kind)?.fail?.(error, purpose, request, reply);
  } catch (problem) {
    request.log.error({ err: problem }, 'whoever waits for a login could not be told that it failed');
    return undefined;
  }
}

async function record(
  parts: Parts,
  error: SallyportError,
  request: FastifyRequest,
  issuer?: string,
): Promise<void> {
  const facts = { code: error.code, message: error.message, ...(issuer === undefined ? {} : { issuer }) };
  try {
    if (!(await isWorthRecording(parts, request))) return;
    await inTransaction(parts.database.db, (tx) => recordEvent(tx, { event: 'login.refused', facts }));
  } catch (problem) {
    request.log.error({ err: problem }, 'a refused login could not be recorded');
  }
}
