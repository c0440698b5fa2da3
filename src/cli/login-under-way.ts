/** What the ways to log in have in common. */
import type * as oauth from 'oauth4webapi';
import type { LoginRequest } from './oauth/login-request.ts';
import type { DpopKey, Tokens } from './session-file.ts';

export interface LoginStart {
  readonly server: URL;
  readonly as: oauth.AuthorizationServer;
  readonly key: DpopKey;
  readonly request: LoginRequest;
  /** Whether sally opens the browser, or only prints the address. */
  readonly opens: boolean;
}

/** A login that a person is in the middle of. */
export interface LoginUnderWay {
  /** Waits for the person; the browser is kept waiting for what comes next. @throws login_rejected, ... */
  person(): Promise<void>;
  tokens(): Promise<Tokens>;
  /** Shows the person at the browser what became of it, and lets go of everything. */
  close(worked: boolean): Promise<void>;
}
