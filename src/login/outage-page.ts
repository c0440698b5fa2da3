/**
 * What somebody sees whose identity provider does not answer: whose it is, what still works, and a page that tries again
 * by itself. Only for an address that may be loaded again, such as the beginning of a login.
 */
import type { FastifyReply } from 'fastify';
import { isSallyportError, type SallyportError } from '../errors/sallyport-error.ts';
import { messagePage } from '../pages/message-page.ts';
import { sendLoginPage } from './send-login-page.ts';

const retrySeconds = 5;

/** Whether it is the provider that can't go on, not the person or the request. */
export function isOutage(error: unknown): error is SallyportError {
  return isSallyportError(error) && error.code === 'login_provider_error';
}

export interface Outage {
  readonly provider: { readonly name: string; readonly issuer: string };
  readonly error: SallyportError;
  readonly requestId: string;
}

export function sendOutagePage(reply: FastifyReply, { provider, error, requestId }: Outage): FastifyReply {
  const page = messagePage({
    title: `${provider.name} does not answer`,
    paragraphs: [
      `${provider.name} (${new URL(provider.issuer).host}) is where you log in. Until it is back, nobody can log in ` +
        'through it. Sessions that are open already go on.',
      error.message,
      `This page tries again every ${retrySeconds} seconds and goes on by itself as soon as it answers.`,
    ],
    tone: 'bad',
    note: `Request ${requestId}`,
  });
  return sendLoginPage(
    reply.header('refresh', String(retrySeconds)).header('retry-after', String(retrySeconds)),
    page,
    503,
  );
}
