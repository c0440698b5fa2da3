/** A login that can't go on: recorded if it was under way, and told to whoever waits for it. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { recordEvent } from '../audit/record-event.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError, type SallyportError } from '../errors/sallyport-error.ts';
import { purposeOfFailure } from './identity-provider.ts';
import { readAttempt } from './login-attempt.ts';
import { loginRefusedPage } from './login-pages.ts';
import type { LoginFlowParts, LoginPurpose } from './login-purpose.ts';
import { sendLoginPage } from './send-login-page.ts';

type Parts = Pick<LoginFlowParts, 'database' | 'handlers'>;

export async function refuseLogin(
  parts: Parts,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const purpose = purposeOf(error);
  if (!isSallyportError(error)) request.log.error({ err: error }, 'login failed');
  // Without a login that was under way anybody could fill the table.
  else if (purpose) await record(parts, error, request);
  else request.log.info({ code: error.code, status: error.status, detail: error.detail }, 'refused');
  if (isSallyportError(error) && purpose) {
    const told = await tell(parts, error, purpose, request, reply);
    if (told !== undefined) return told;
  }
  const page = loginRefusedPage(error, request.id);
  return sendLoginPage(reply, page.html, page.status);
}

function purposeOf(error: unknown): LoginPurpose | undefined {
  const noted = purposeOfFailure(error);
  if (noted === undefined) return undefined;
  try {
    return readAttempt(noted).purpose;
  } catch {
    return undefined;
  }
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

async function record({ database }: Parts, error: SallyportError, request: FastifyRequest): Promise<void> {
  const facts = { code: error.code, message: error.message };
  await inTransaction(database.db, (tx) => recordEvent(tx, { event: 'login.refused', facts })).catch(
    (problem) => request.log.error({ err: problem }, 'a refused login could not be recorded'),
  );
}
