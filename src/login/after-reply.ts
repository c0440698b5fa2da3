/** After the provider's reply: the login is done, or it goes to the provider once more, or to a page of ours. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { accountForIdentity } from '../accounts/account-for-identity.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { sendToProvider } from './begin-login.ts';
import { readBrowserSecret } from './browser-secret.ts';
import {
  decideSecondFactor,
  isFreshLogin,
  leavesOut,
  type SecondFactorDecision,
  type SecondFactorFacts,
} from './decide-second-factor.ts';
import type { IdentityProvider } from './identity-provider.ts';
import { isKnownAtProvider } from './known-at-provider.ts';
import { type LoginAttempt, type PendingLogin, proven, stored } from './login-attempt.ts';
import { loginPolicyOf, type OrganizationLogins } from './login-policy.ts';
import { type LoginFlowParts, managingPasskeys } from './login-purpose.ts';
import type { LoginResult } from './login-result.ts';
import { stateInvalid } from './login-state.ts';
import { newChallenge } from './passkey-challenge.ts';
import { passkeysOf, usable } from './passkey-store.ts';
import { savePending } from './pending-login.ts';

export interface Replied {
  readonly provider: IdentityProvider;
  readonly result: LoginResult;
  readonly attempt: LoginAttempt;
}

export async function afterReply(
  parts: LoginFlowParts,
  replied: Replied,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { result, attempt } = replied;
  const handler = parts.handlers.get(attempt.kind);
  if (handler === undefined) throw stateInvalid();
  const byProvider = result.mfa
    ? ({ by: 'provider', methods: result.mfaMethods, time: result.authTime.getTime() } as const)
    : null;
  if (handler.withoutSecondFactor) {
    return await handler.finish(proven(result, attempt, byProvider), request, reply);
  }
  const logins = await loginPolicyOf(parts.database.db, result.organizationSlug);
  if (attempt.kind === managingPasskeys) return await toManaging(parts, replied, logins, request, reply);

  const decide = (account: AccountFactors) => decision(parts, replied, logins, account);
  const first = decide({ passkeys: { usable: 0, enrolled: 0 }, knownAtProvider: false });
  if (first.next === 'done') {
    const mfa = first.by === 'provider' ? byProvider : null;
    return await handler.finish(proven(result, attempt, mfa), request, reply);
  }
  if (first.next === 'refused' && first.reason !== 'too_old') throw refusal(first.reason);
  if (first.next === 'provider' && first.stepUp)
    return await again(parts, replied, 'step-up', request, reply);

  const account = await accountAndPasskeys(parts, replied, logins);
  const second = decide(account);
  switch (second.next) {
    case 'assert':
      return await toPasskey(
        parts,
        replied,
        account,
        { step: 'assert', after: second.after },
        request,
        reply,
      );
    case 'enrol':
      return await toPasskey(parts, replied, account, { step: 'enrol', proven: false }, request, reply);
    case 'provider':
      return await again(parts, replied, 'new-login', request, reply);
    case 'refused':
      throw refusal(second.reason);
    case 'done':
      throw new TypeError('unreachable: it was not done before the account was known');
  }
}

type AccountFactors = Pick<SecondFactorFacts, 'passkeys' | 'knownAtProvider'>;

function decision(
  { clock }: LoginFlowParts,
  { provider, result, attempt }: Replied,
  { policy }: OrganizationLogins,
  { passkeys, knownAtProvider }: AccountFactors,
): SecondFactorDecision {
  return decideSecondFactor({
    policy,
    demand: attempt.demand,
    provider: {
      mfa: result.mfa,
      methods: result.mfaMethods,
      authTimeSeconds: seconds(result.authTime),
      canStepUp: provider.canStepUp,
      wasAskedAgain: attempt.askedAgain,
    },
    passkeys,
    knownAtProvider,
    nowSeconds: seconds(clock()),
  });
}

/** Passkeys are the account's, so it must be known now; whoever starts the session looks again. */
async function accountAndPasskeys(
  { database, clock }: LoginFlowParts,
  { result }: Replied,
  { passkeyModels }: OrganizationLogins,
) {
  const { accountId, name } = await inTransaction(database.db, (tx) =>
    accountForIdentity(tx, result, clock()),
  );
  const passkeys = await passkeysOf(database.db, accountId);
  return {
    accountId,
    name,
    passkeys: { enrolled: passkeys.length, usable: usable(passkeys, passkeyModels).length },
    knownAtProvider: await isKnownAtProvider(database.db, accountId),
  };
}

type AccountWithPasskeys = Awaited<ReturnType<typeof accountAndPasskeys>>;

/** For the console: a passkey more. Whoever has one already shows it, or a recovery code, first. */
async function toManaging(
  parts: LoginFlowParts,
  replied: Replied,
  logins: OrganizationLogins,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { provider, result, attempt } = replied;
  const account = await accountAndPasskeys(parts, replied, logins);
  if (account.accountId !== attempt.purpose['accountId']) {
    throw new SallyportError(
      'login_rejected',
      'This login is another account than the one that you are signed in as. Log in as the same person.',
    );
  }
  if (!logins.policy.mfaSources.includes('passkey')) throw refusal('no_source');
  if (!isFreshLogin(seconds(result.authTime), seconds(parts.clock()))) {
    if (attempt.askedAgain) throw tooOld();
    return await again(parts, replied, 'new-login', request, reply);
  }
  const { canStepUp } = provider;
  const { knownAtProvider } = account;
  if (
    account.passkeys.enrolled === 0 &&
    leavesOut({ policy: logins.policy, provider: { mfa: result.mfa, canStepUp }, knownAtProvider })
  ) {
    if (attempt.askedAgain) throw refusal('left_out');
    return await again(parts, replied, 'step-up', request, reply);
  }
  const next =
    account.passkeys.enrolled > 0
      ? ({ step: 'assert', after: 'enrol' } as const)
      : ({ step: 'enrol', proven: false } as const);
  return await toPasskey(parts, replied, account, next, request, reply);
}

async function again(
  parts: LoginFlowParts,
  { provider, attempt }: Replied,
  why: 'step-up' | 'new-login',
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  return await sendToProvider(parts, request, reply, { provider, start: attempt, again: why });
}

async function toPasskey(
  { database, sealer, publicUrl, clock }: LoginFlowParts,
  { result, attempt }: Replied,
  { accountId, name }: AccountWithPasskeys,
  next: { readonly step: 'assert'; readonly after: 'finish' | 'enrol' } | { step: 'enrol'; proven: boolean },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const pending: PendingLogin = {
    ...next,
    login: stored(result),
    attempt,
    accountId,
    accountName: name,
    challenge: newChallenge(),
    problem: null,
    tries: 0,
  };
  const browserSecret = readBrowserSecret(request, publicUrl);
  const handle = await savePending({ db: database.db, sealer, browserSecret }, pending, clock());
  return reply.redirect(`/login/passkey/${handle}`, 303);
}

function refusal(reason: Extract<SecondFactorDecision, { next: 'refused' }>['reason']): SallyportError {
  if (reason === 'too_old') return tooOld();
  const message = {
    no_source:
      'Your organization wants a second factor from your identity provider, which gave none. Set one up there, then log in again.',
    no_method:
      'Your organization wants a kind of second factor that this login had not. Ask an admin which kinds it takes.',
    left_out:
      'You have a second factor at your identity provider, and this login came without it. Log in again and give it; a passkey is added after that.',
  };
  return new SallyportError('login_rejected', message[reason], { detail: reason });
}

export function tooOld(): SallyportError {
  return new SallyportError(
    'login_rejected',
    'A passkey is enrolled only within five minutes of a login. Start again, and log in anew.',
  );
}

function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
