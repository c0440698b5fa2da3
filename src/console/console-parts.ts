/** What the console is put together from. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AppParts } from '../http/app-parts.ts';

export interface ConsoleParts extends Pick<AppParts, 'database' | 'feed' | 'publicUrl' | 'clock'> {
  /**
   * Sends the browser to the identity provider, with a purpose that comes back in the login's result. Whoever receives
   * that result calls `signInBrowser`.
   */
  startLogin(request: FastifyRequest, reply: FastifyReply, purpose: BrowserPurpose): Promise<unknown>;
}

export interface BrowserPurpose extends Record<string, unknown> {
  readonly kind: 'browser';
  /** Path of the console. */
  readonly returnTo: string;
}
