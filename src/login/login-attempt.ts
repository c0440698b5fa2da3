/** What goes along with a login while it is elsewhere: at the provider (in its state), or between two of our pages. */
import { z } from 'zod';
import type { ErrorCode } from '../errors/codes.ts';
import type { MfaSource } from '../policy/facts.ts';
import type { LoginBeginning, LoginDemand, LoginPurpose, ProvenLogin } from './login-purpose.ts';
import type { LoginResult } from './login-result.ts';
import { stateInvalid } from './login-state.ts';

/** The purpose that the provider's state is given; `kind` stands outside for whoever looks only at that. */
export interface LoginAttempt {
  readonly kind: string;
  readonly purpose: LoginPurpose;
  readonly demand: LoginDemand;
  /** Whether this is the second time that the provider is asked for this login. */
  readonly askedAgain: boolean;
}

const demandSchema = z.strictObject({
  mfa: z.boolean(),
  maxAgeSeconds: z.int().min(0).nullable(),
  methods: z.array(z.string()).nullable(),
});
const attemptSchema = z.strictObject({
  kind: z.string(),
  purpose: z.looseObject({ kind: z.string() }),
  demand: demandSchema,
  askedAgain: z.boolean(),
});

export function attemptOf({ purpose, demand }: LoginBeginning, askedAgain: boolean): LoginAttempt {
  return { kind: purpose.kind, purpose, demand, askedAgain };
}

/** @throws login_state_invalid if it was not begun by this flow */
export function readAttempt(purpose: unknown): LoginAttempt {
  const parsed = attemptSchema.safeParse(purpose);
  if (!parsed.success) throw stateInvalid();
  return parsed.data;
}

/** Choosing a provider. */
export interface PendingChoice {
  readonly step: 'choose';
  readonly start: LoginBeginning;
}

interface PendingPasskey {
  readonly login: StoredLogin;
  readonly attempt: LoginAttempt;
  readonly accountId: string;
  readonly accountName: string;
  /** What a passkey is asked to sign, base64url. */
  readonly challenge: string;
  /** What went wrong before, for the person. */
  readonly problem: string | null;
  readonly tries: number;
}

/** Proving a passkey. */
export interface PendingAssertion extends PendingPasskey {
  readonly step: 'assert';
  /** What comes after it: the login is done, or another passkey is enrolled. */
  readonly after: 'finish' | 'enrol';
}

/** Enrolling one. */
export interface PendingEnrolment extends PendingPasskey {
  readonly step: 'enrol';
  /** Whether a passkey of before, or a recovery code, was shown in this login. */
  readonly proven: boolean;
}

/** Everything is proven; the browser is on its way. */
export interface PendingFinish {
  readonly step: 'finish';
  readonly login: StoredLogin;
  readonly attempt: LoginAttempt;
  /** Whose passkey it was. */
  readonly accountId: string;
  readonly mfa: { readonly by: MfaSource; readonly methods: readonly string[]; readonly time: number };
}

/** It failed in the reply to a form, which is no place to tell whoever waits for it: see leadBrowser(). */
export interface PendingFailure {
  readonly step: 'failed';
  readonly attempt: LoginAttempt;
  readonly code: ErrorCode;
  readonly message: string;
}

export type PendingLogin =
  | PendingChoice
  | PendingAssertion
  | PendingEnrolment
  | PendingFinish
  | PendingFailure;

/** JSON: times are milliseconds since 1970. */
type StoredLogin = Omit<LoginResult, 'authTime' | 'startedAt'> & {
  readonly authTime: number;
  readonly startedAt: number;
};

export function stored(login: LoginResult): StoredLogin {
  return { ...login, authTime: login.authTime.getTime(), startedAt: login.startedAt.getTime() };
}

/** With the purpose that the login was begun for. */
export function proven(
  login: LoginResult | StoredLogin,
  { purpose }: LoginAttempt,
  mfa: { readonly by: MfaSource; readonly methods: readonly string[]; readonly time: number } | null,
): ProvenLogin {
  return {
    ...login,
    purpose,
    authTime: new Date(login.authTime),
    startedAt: new Date(login.startedAt),
    mfa: mfa !== null,
    mfaBy: mfa?.by ?? null,
    mfaMethods: mfa?.methods ?? [],
    mfaTime: mfa === null ? null : new Date(mfa.time),
  };
}

/** What was sealed here is believed; only its step is looked at. @throws login_state_invalid if it is at another */
export function atStep<Step extends PendingLogin['step']>(
  payload: unknown,
  ...steps: readonly Step[]
): Extract<PendingLogin, { step: Step }> {
  const pending = payload as PendingLogin;
  if (!steps.includes(pending.step as Step)) throw stateInvalid();
  return pending as Extract<PendingLogin, { step: Step }>;
}
