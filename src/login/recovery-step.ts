/** A recovery code in place of a passkey: it leads to the enrolment of a new one, and nowhere else. */
import { recordEvent } from '../audit/record-event.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import type { PendingAssertion, PendingEnrolment } from './login-attempt.ts';
import { loginPolicyOf } from './login-policy.ts';
import { type LoginStep, nextStep, tryAgain } from './login-step.ts';
import { newChallenge } from './passkey-challenge.ts';
import type { Pending } from './pending-login.ts';
import { allowRecoveryGuess, useRecoveryCode } from './recovery-codes.ts';

export async function answerRecovery(
  step: LoginStep,
  pending: Pending<PendingAssertion>,
  code: string,
): Promise<unknown> {
  const { payload, expiresAt } = pending;
  const { accountId, login } = payload;
  const { database, sealer } = step.parts;
  const { organizationId } = await loginPolicyOf(database.db, login.organizationSlug);
  const clientAddress = step.request.ip;
  try {
    await allowRecoveryGuess(database.db, accountId, step.now);
    await inTransaction(database.db, (tx) =>
      useRecoveryCode(tx, sealer, { accountId, organizationId, code, clientAddress }, step.now),
    );
  } catch (error) {
    if (isSallyportError(error)) {
      const facts = { code: error.code, message: error.message, client_address: clientAddress };
      await inTransaction(database.db, (tx) =>
        recordEvent(tx, { event: 'recovery_code.refused', organizationId, accountId, facts }),
      );
    }
    return await tryAgain(step, pending, error, 'recovery');
  }
  const { after: _after, ...known } = payload;
  const next: PendingEnrolment = {
    ...known,
    step: 'enrol',
    proven: true,
    challenge: newChallenge(),
    problem: null,
  };
  return step.reply.redirect(`/login/passkey/${await nextStep(step, next, expiresAt)}`, 303);
}
