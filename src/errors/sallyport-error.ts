/**
 * The one error type of Sallyport. `code` comes from the closed set in codes.ts; `message` is for the person (what
 * happened, what was expected, what to do next); `detail` is for the log only and is never sent to a client.
 * Neither may hold a secret.
 */
import { type ErrorCode, errorTable } from './codes.ts';

export interface SallyportErrorOptions {
  /** For the log only. */
  readonly detail?: string;
  readonly cause?: unknown;
  /** Extra members of the problem document (RFC 9457 section 3.2). Safe to send. */
  readonly members?: Readonly<Record<string, unknown>>;
}

export class SallyportError extends Error {
  override readonly name = 'SallyportError';
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly members: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: SallyportErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
    this.members = options.members ?? {};
  }

  /** HTTP status of this error's code. */
  get status(): number {
    return errorTable[this.code].status;
  }
}

export function isSallyportError(error: unknown): error is SallyportError {
  return error instanceof SallyportError;
}
