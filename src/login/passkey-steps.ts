/** What a browser answers at the passkey pages: a passkey is shown, or a new one is enrolled. */
import { recordEvent } from '../audit/record-event.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { recoveryCodesPage } from '../pages/passkey-page.ts';
import { tooOld } from './after-reply.ts';
import { isFreshLogin, isWanted } from './decide-second-factor.ts';
import { leadBrowser } from './lead-browser.ts';
import type { LoginAttempt, PendingAssertion, PendingEnrolment, PendingFinish } from './login-attempt.ts';
import { loginPolicyOf, type OrganizationLogins } from './login-policy.ts';
import { managingPasskeys } from './login-purpose.ts';
import { type LoginStep, nextStep, tryAgain } from './login-step.ts';
import { methodsOf, verifyAssertion, verifyEnrolment } from './passkey-ceremonies.ts';
import { newChallenge } from './passkey-challenge.ts';
import { addPasskey, notePasskeyUse, passkeysOf, usable } from './passkey-store.ts';
import type { Pending } from './pending-login.ts';
import { countRecoveryCodes, replaceRecoveryCodes } from './recovery-codes.ts';
import { sendLoginPage } from './send-login-page.ts';

type Asserting = Pending<PendingAssertion>;
type Enrolling = Pending<PendingEnrolment>;

/** @param answer the browser's, JSON */
export async function answerAssertion(step: LoginStep, pending: Asserting, answer: string): Promise<unknown> {
  const { payload, expiresAt } = pending;
  const { accountId, after, attempt, login } = payload;
  try {
    const logins = await loginPolicyOf(step.parts.database.db, login.organizationSlug);
    const methods = await assertPasskey(step, payload, logins, answer);
    if (after === 'enrol') {
      const next: PendingEnrolment = {
        ...payload,
        step: 'enrol',
        proven: true,
        challenge: newChallenge(),
        problem: null,
      };
      return step.reply.redirect(`/login/passkey/${await nextStep(step, next, expiresAt)}`, 303);
    }
    requireWanted(methods, logins, attempt);
    return await toEnd(step, pending, methods);
  } catch (error) {
    await recordRefusal(step, { accountId, step: 'assert' }, error);
    return await tryAgain(step, pending, error, 'passkey');
  }
}

/** @returns the methods of the passkey that was shown */
async function assertPasskey(
  { parts, now }: LoginStep,
  { accountId, after, challenge }: PendingAssertion,
  { organizationId, passkeyModels }: OrganizationLogins,
  answer: string,
): Promise<readonly string[]> {
  const { database, publicUrl } = parts;
  const all = await passkeysOf(database.db, accountId);
  const passkeys = after === 'enrol' ? all : usable(all, passkeyModels);
  const { passkey, counter } = await verifyAssertion(answer, { publicUrl, challenge, passkeys });
  await inTransaction(database.db, async (tx) => {
    if (!(await notePasskeyUse(tx, { id: passkey.id, counter }, now))) {
      throw new SallyportError(
        'passkey_refused',
        'This passkey has been used elsewhere since, so it may have been copied. Use another one, and have an admin remove it.',
        { detail: `signature counter ${counter} after ${passkey.counter}, passkey ${passkey.id}` },
      );
    }
    const facts = { passkey: passkey.id, name: passkey.name };
    await recordEvent(tx, { event: 'passkey.used', organizationId, accountId, facts });
  });
  return methodsOf(passkey);
}

export async function answerEnrolment(
  step: LoginStep,
  pending: Enrolling,
  { answer, name }: { readonly answer: string; readonly name: string },
): Promise<unknown> {
  const { payload } = pending;
  const { accountId, login } = payload;
  try {
    if (!isFreshLogin(Math.floor(login.authTime / 1000), Math.floor(step.now.getTime() / 1000)))
      throw tooOld();
    const logins = await loginPolicyOf(step.parts.database.db, login.organizationSlug);
    const { methods, codes } = await enrolPasskey(step, payload, logins, answer, name);
    return await toEnd(step, pending, methods, codes);
  } catch (error) {
    await recordRefusal(step, { accountId, step: 'enrol' }, error);
    return await tryAgain(step, pending, error, 'passkey');
  }
}

async function enrolPasskey(
  { parts, now }: LoginStep,
  { accountId, challenge, proven, attempt }: PendingEnrolment,
  logins: OrganizationLogins,
  answer: string,
  name: string,
): Promise<{ methods: readonly string[]; codes: readonly string[] }> {
  const { database, sealer, publicUrl } = parts;
  const { organizationId, passkeyModels: models } = logins;
  const made = await verifyEnrolment(answer, { publicUrl, challenge, models });
  const methods = methodsOf(made);
  // Before it is stored: one that can't be used for what it is enrolled for helps nobody.
  if (attempt.kind !== managingPasskeys) requireWanted(methods, logins, attempt);
  return await inTransaction(database.db, async (tx) => {
    await addPasskey(tx, { ...made, accountId, name }, { mayBeAnother: proven }, now);
    const left = await countRecoveryCodes(tx, accountId);
    const codes = left > 0 ? [] : await replaceRecoveryCodes(tx, sealer, { accountId, organizationId }, now);
    return { methods, codes };
  });
}

/** The login is proven. It goes on by a request of its own, which takes the browser out of the form. */
async function toEnd(
  step: LoginStep,
  { payload, expiresAt }: Pending<PendingAssertion | PendingEnrolment>,
  methods: readonly string[],
  codes: readonly string[] = [],
): Promise<unknown> {
  const { login, attempt, accountId } = payload;
  const mfa = { by: 'passkey', methods, time: step.now.getTime() } as const;
  const finish: PendingFinish = { step: 'finish', login, attempt, accountId, mfa };
  const next = `/login/continue/${await nextStep(step, finish, expiresAt)}`;
  if (codes.length > 0) return sendLoginPage(step.reply, recoveryCodesPage({ codes, next }));
  return leadBrowser(step.request, step.reply, next);
}

function requireWanted(
  methods: readonly string[],
  { policy }: OrganizationLogins,
  { demand }: LoginAttempt,
): void {
  if (isWanted({ by: 'passkey', methods }, { policy, demand })) return;
  throw new SallyportError(
    'passkey_refused',
    'Your organization does not take this kind of passkey, such as one that is copied between devices. Use another one.',
    { detail: methods.join(' ') },
  );
}

/** Best effort: the login is refused whether or not it can be recorded. */
async function recordRefusal(
  { parts, request }: LoginStep,
  { accountId, step }: { readonly accountId: string; readonly step: 'assert' | 'enrol' },
  error: unknown,
): Promise<void> {
  if (!isSallyportError(error)) return;
  const { code, message } = error;
  request.log.info({ code, detail: error.detail }, 'a passkey was refused');
  await inTransaction(parts.database.db, async (tx) => {
    const { organization_id } = await tx
      .selectFrom('accounts')
      .select('organization_id')
      .where('id', '=', accountId)
      .executeTakeFirstOrThrow();
    const facts = { code, message, step, client_address: request.ip };
    await recordEvent(tx, { event: 'passkey.refused', organizationId: organization_id, accountId, facts });
  }).catch((problem) => request.log.error({ err: problem }, 'a refused passkey could not be recorded'));
}
