/** Exit codes of `sally`: scripts compare them, so a number never changes its meaning. */
import type { ErrorCode } from '../errors/codes.ts';

export const exitCodes = {
  done: { number: 0, meaning: 'it is done; for explain: access would be given' },
  failed: { number: 1, meaning: 'something went wrong that has no number of its own' },
  usage: { number: 2, meaning: 'the command, an option or a setting is wrong' },
  notLoggedIn: { number: 3, meaning: 'nobody is logged in, or the session is over: sally login' },
  refused: { number: 4, meaning: 'the server refuses; for explain: access would be refused' },
  unreachable: { number: 5, meaning: 'the server cannot be reached or is in trouble' },
  files: { number: 6, meaning: 'a file or folder of yours is not as it must be' },
  pending: { number: 7, meaning: 'admin apply --dry-run: there is something to do' },
  unwell: { number: 8, meaning: 'doctor: something is not as it must be' },
} as const satisfies Record<string, { number: number; meaning: string }>;

export type ExitName = keyof typeof exitCodes;

const exitOfError: Partial<Record<ErrorCode, ExitName>> = {
  settings_invalid: 'usage',
  name_refused: 'usage',
  token_missing: 'notLoggedIn',
  token_invalid: 'notLoggedIn',
  grant_invalid: 'notLoggedIn',
  session_ended: 'notLoggedIn',
  too_many_attempts: 'unreachable',
  access_denied: 'refused',
  forbidden: 'refused',
  login_rejected: 'refused',
  insufficient_user_authentication: 'refused',
  unavailable: 'unreachable',
  server_untrusted: 'unreachable',
  database_unavailable: 'unreachable',
  signer_failed: 'unreachable',
  file_refused: 'files',
  keychain_failed: 'files',
  in_use: 'files',
};

export function exitNameOf(code: ErrorCode): ExitName {
  return exitOfError[code] ?? 'failed';
}

/** The table of `sally --help`. */
export function exitCodeLines(): string[] {
  return Object.values(exitCodes).map(({ number, meaning }) => `  ${number}  ${meaning}`);
}
