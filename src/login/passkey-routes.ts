/** The pages between the provider's reply and the end of the login. Each step is known by a handle that is good once. */
import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify';
import { z } from 'zod';
import { accountIdOfIdentity } from '../accounts/link-identity.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { passkeyScriptAsset } from '../pages/assets.ts';
import { passkeyPage, recoveryPage } from '../pages/passkey-page.ts';
import { sendToProvider } from './begin-login.ts';
import { isFreshLogin } from './decide-second-factor.ts';
import { notePurpose } from './identity-provider.ts';
import { atStep, type PendingAssertion, type PendingEnrolment, proven } from './login-attempt.ts';
import { loginPolicyOf } from './login-policy.ts';
import type { LoginFlowParts } from './login-purpose.ts';
import { stateInvalid } from './login-state.ts';
import { handlerOf, type LoginStep, placeOf } from './login-step.ts';
import { assertionOptions, enrolmentOptions } from './passkey-ceremonies.ts';
import { answerAssertion, answerEnrolment } from './passkey-steps.ts';
import { passkeysOf, usable } from './passkey-store.ts';
import { consumePending, peekPending } from './pending-login.ts';
import { countRecoveryCodes } from './recovery-codes.ts';
import { answerRecovery } from './recovery-step.ts';
import { refuseForm, refuseLogin } from './refuse-login.ts';
import { sendLoginPage } from './send-login-page.ts';
import { webauthnScript } from './webauthn-script.ts';

/** An answer with its attestation is a few kilobytes. */
const largestForm = 64 * 1024;

const handle = z.string().max(100);
const passkeyForm = z.strictObject({
  login: handle,
  response: z.string().max(largestForm),
  name: z
    .string()
    .trim()
    .regex(/^[^\p{Cc}\p{Cf}\p{Cs}]{1,60}$/u)
    .optional(),
});
const recoveryForm = z.strictObject({ login: handle, code: z.string().max(100) });

export function registerPasskeyRoutes(app: FastifyInstance, parts: LoginFlowParts): void {
  const script = webauthnScript();
  const scripts = [script.path, passkeyScriptAsset.path];
  app.get(
    script.path,
    { config: { auth: 'none', purpose: 'the passkey script of the browser’s side' } },
    async (_request, reply) =>
      reply
        .header('cache-control', 'public, max-age=31536000, immutable')
        .type(script.contentType)
        .send(script.text),
  );
  const step =
    (work: (step: LoginStep) => Promise<unknown>): RouteHandlerMethod =>
    async (request: FastifyRequest, reply: FastifyReply) => {
      const at: LoginStep = { parts, request, reply, now: parts.clock() };
      try {
        return await work(at);
      } catch (error) {
        if (request.method !== 'GET') return await refuseForm(at, error);
        return await refuseLogin(parts, error, request, reply);
      }
    };
  const purposes = {
    passkey: 'page: a passkey is asked for or enrolled; of the browser that logged in',
    recovery: 'page: a recovery code is asked for; of the browser that logged in',
    finish: 'the end of a login after a passkey, good or bad; of the browser that logged in',
  };
  app.get(
    '/login/passkey/:handle',
    { config: { auth: 'none', purpose: purposes.passkey } },
    step((at) => showPasskeyPage(at, scripts)),
  );
  app.get(
    '/login/recovery/:handle',
    { config: { auth: 'none', purpose: purposes.recovery } },
    step(showRecoveryPage),
  );
  app.get(
    '/login/continue/:handle',
    { config: { auth: 'none', purpose: purposes.finish } },
    step(finishLogin),
  );
  app.register(async (scope) => {
    // Forms of these pages, and nothing else.
    scope.removeAllContentTypeParsers();
    await scope.register(formbody, { bodyLimit: largestForm });
    scope.post(
      '/login/passkey',
      { config: { auth: 'none', purpose: 'takes the browser’s answer; checks handle and browser itself' } },
      step(takePasskey),
    );
    scope.post(
      '/login/recovery',
      { config: { auth: 'none', purpose: 'takes a recovery code; checks handle and browser itself' } },
      step(takeRecoveryCode),
    );
  });
}

async function showPasskeyPage(step: LoginStep, scripts: readonly string[]): Promise<unknown> {
  const { database } = step.parts;
  const asked = handleOf(step.request);
  const pending = atStep((await peekPending(placeOf(step), asked, step.now)).payload, 'assert', 'enrol');
  const options = await optionsFor(step, pending);
  const codes = await countRecoveryCodes(database.db, pending.accountId);
  const page = passkeyPage({
    step: pending.step,
    account: pending.accountName,
    handle: asked,
    options: JSON.stringify(options),
    problem: pending.problem,
    hasRecoveryCodes: codes > 0,
    thenEnrol: pending.step === 'assert' && pending.after === 'enrol',
    scripts,
  });
  return sendLoginPage(step.reply, page);
}

async function optionsFor({ parts }: LoginStep, pending: PendingAssertion | PendingEnrolment) {
  const { database, publicUrl } = parts;
  const { accountId, accountName, challenge, login } = pending;
  const { passkeyModels: models } = await loginPolicyOf(database.db, login.organizationSlug);
  const passkeys = await passkeysOf(database.db, accountId);
  if (pending.step === 'enrol') {
    const account = { id: accountId, name: accountName };
    return await enrolmentOptions({ publicUrl, challenge, account, passkeys, models });
  }
  const acceptable = pending.after === 'enrol' ? passkeys : usable(passkeys, models);
  return await assertionOptions({ publicUrl, challenge, passkeys: acceptable });
}

async function takePasskey(step: LoginStep): Promise<unknown> {
  const { login, response, name = 'Passkey' } = read(passkeyForm, step.request.body);
  const { payload, expiresAt } = await consumePending(placeOf(step), login, step.now);
  const pending = atStep(payload, 'assert', 'enrol');
  return pending.step === 'assert'
    ? await answerAssertion(step, { payload: pending, expiresAt }, response)
    : await answerEnrolment(step, { payload: pending, expiresAt }, { answer: response, name });
}

/** A new passkey is only for who has just logged in, so an old login goes to the provider again before a code is used. */
async function showRecoveryPage(step: LoginStep): Promise<unknown> {
  const { parts, request, reply, now } = step;
  const asked = handleOf(request);
  const pending = atStep((await peekPending(placeOf(step), asked, now)).payload, 'assert');
  const { login, attempt, accountName, problem } = pending;
  if (!isFreshLogin(Math.floor(login.authTime / 1000), Math.floor(now.getTime() / 1000))) {
    await consumePending(placeOf(step), asked, now);
    const provider = await parts.providers.get(login.provider.slug);
    return await sendToProvider(parts, request, reply, { provider, start: attempt, again: 'new-login' });
  }
  return sendLoginPage(reply, recoveryPage({ account: accountName, handle: asked, problem }));
}

async function takeRecoveryCode(step: LoginStep): Promise<unknown> {
  const { login, code } = read(recoveryForm, step.request.body);
  const { payload, expiresAt } = await consumePending(placeOf(step), login, step.now);
  return await answerRecovery(step, { payload: atStep(payload, 'assert'), expiresAt }, code);
}

async function finishLogin(step: LoginStep): Promise<unknown> {
  const { payload } = await consumePending(placeOf(step), handleOf(step.request), step.now);
  const pending = atStep(payload, 'finish', 'failed');
  const { attempt } = pending;
  if (pending.step === 'failed') {
    throw notePurpose(new SallyportError(pending.code, pending.message), { ...attempt });
  }
  const { login, mfa, accountId } = pending;
  const identity = { ...login, organization: login.organizationSlug };
  try {
    // The identity may have become another account's since the passkey was shown.
    if ((await accountIdOfIdentity(step.parts.database.db, identity)) !== accountId) throw stateInvalid();
    return await handlerOf(step, attempt).finish(proven(login, attempt, mfa), step.request, step.reply);
  } catch (error) {
    throw notePurpose(error, { ...attempt });
  }
}

function handleOf({ params }: FastifyRequest): string {
  return (params as { handle: string }).handle;
}

/** @throws request_malformed */
function read<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map(({ path }) => path.join('.')).join(', ');
  throw new SallyportError(
    'request_malformed',
    `The form is not as expected (${fields}). Go back, load the page again and repeat what you did.`,
  );
}
