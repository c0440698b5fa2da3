/** Checks passwords and one-time codes of the demo people, with what a real identity provider does against guessing. */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Secret, TOTP } from 'otpauth';
import type { DemoPerson } from './identity-provider-people.ts';

export interface LoginForm {
  readonly username: string;
  readonly password: string;
  readonly otp: string;
}

export type LoginVerdict =
  | { readonly accepted: true; readonly person: DemoPerson; readonly amr: readonly string[] }
  | { readonly accepted: false; readonly message: string };

export interface CurrentCode {
  readonly username: string;
  /** null: this half minute's and the next one's codes are used up. */
  readonly code: string | null;
  readonly secondsLeft: number;
}

export interface LoginCheck {
  check(form: LoginForm): Promise<LoginVerdict>;
  /** What each person's authenticator shows now, or next if that code is used already. The demo's own convenience. */
  currentCodes(): CurrentCode[];
}

const failuresAllowed = 5;
const lockSeconds = 60;
const stepSeconds = 30;
/** Steps before and after the current one that are accepted: enough to log in three times within half a minute. */
const window = 2;

interface Account {
  readonly person: DemoPerson;
  readonly passwordHash: Promise<Buffer>;
  readonly totp: TOTP | null;
  /** A code is good once (RFC 6238 section 5.2). */
  lastUsedStep: number;
  failures: number;
  lockedUntilSeconds: number;
}

const refused: LoginVerdict = {
  accepted: false,
  message: 'That did not match. Check the name, the password and the one-time code, and try again.',
};

export function createLoginCheck(people: readonly DemoPerson[], clock: () => Date): LoginCheck {
  const salt = randomBytes(16);
  const accounts = new Map(people.map((person) => [person.username, newAccount(person, salt)]));
  const nobody = hashPassword(randomBytes(16).toString('hex'), salt);

  return {
    async check({ username, password, otp }) {
      const account = accounts.get(username.trim().toLowerCase());
      const [hash, expected] = await Promise.all([
        hashPassword(password, salt),
        account?.passwordHash ?? nobody,
      ]);
      const passwordRight = timingSafeEqual(hash, expected);
      if (account === undefined) return refused;

      // Nothing waits between here and the end, so that two requests can't both pass with one code.
      const nowSeconds = unixSeconds(clock());
      if (nowSeconds < account.lockedUntilSeconds) return locked(account, nowSeconds);
      const step = acceptedStep(account, otp, nowSeconds);
      if (!passwordRight || step === undefined) {
        account.failures += 1;
        if (account.failures < failuresAllowed) return refused;
        account.failures = 0;
        account.lockedUntilSeconds = nowSeconds + lockSeconds;
        return locked(account, nowSeconds);
      }
      account.failures = 0;
      if (account.totp === null) return { accepted: true, person: account.person, amr: ['pwd'] };
      account.lastUsedStep = step;
      return { accepted: true, person: account.person, amr: ['pwd', 'otp', 'mfa'] };
    },

    currentCodes() {
      const nowSeconds = unixSeconds(clock());
      return [...accounts.values()].flatMap((account) => currentCode(account, nowSeconds));
    },
  };
}

function newAccount(person: DemoPerson, salt: Buffer): Account {
  const totp = person.otpSecret === null ? null : totpOf(person.otpSecret);
  const passwordHash = hashPassword(person.password, salt);
  return { person, passwordHash, totp, lastUsedStep: 0, failures: 0, lockedUntilSeconds: 0 };
}

function totpOf(seed: string): TOTP {
  return new TOTP({ secret: Secret.fromBase32(seed), algorithm: 'SHA1', digits: 6, period: stepSeconds });
}

/** The time step of a right and unused code; 0 for a person without codes; undefined if the code is not accepted. */
function acceptedStep(account: Account, otp: string, nowSeconds: number): number | undefined {
  if (account.totp === null) return 0;
  const token = otp.replace(/\s/g, '');
  if (!/^[0-9]{6}$/.test(token)) return undefined;
  const delta = account.totp.validate({ token, timestamp: nowSeconds * 1000, window });
  if (delta === null) return undefined;
  const step = Math.floor(nowSeconds / stepSeconds) + delta;
  return step > account.lastUsedStep ? step : undefined;
}

function currentCode({ person, totp, lastUsedStep }: Account, nowSeconds: number): CurrentCode[] {
  if (totp === null) return [];
  const now = Math.floor(nowSeconds / stepSeconds);
  const step = Math.max(now, lastUsedStep + 1);
  const usable = step <= now + window;
  const code = usable ? totp.generate({ timestamp: step * stepSeconds * 1000 }) : null;
  // With every half minute one more code comes within the window.
  const changesAt = usable ? (step + 1) * stepSeconds : (step - window) * stepSeconds;
  return [{ username: person.username, code, secondsLeft: changesAt - nowSeconds }];
}

function locked(account: Account, nowSeconds: number): LoginVerdict {
  const seconds = account.lockedUntilSeconds - nowSeconds;
  return { accepted: false, message: `Too many failed attempts. Try again in ${seconds} seconds.` };
}

async function hashPassword(password: string, salt: Buffer): Promise<Buffer> {
  return await promisify<string, Buffer, number, Buffer>(scrypt)(password, salt, 32);
}

function unixSeconds(now: Date): number {
  return Math.floor(now.getTime() / 1000);
}
