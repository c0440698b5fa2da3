/**
 * The console's session cookie. Over https its name is `__Host-...`, which browsers accept only from this very host,
 * secure and for every path (RFC 6265bis section 4.1.3.2). SameSite=Lax, because the reply to the sign-in is reached by
 * a redirect from the identity provider; requests that change something are checked by their origin and a token.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SallyportError } from '../errors/sallyport-error.ts';

export function sessionCookieName(publicUrl: URL): string {
  return publicUrl.protocol === 'https:' ? '__Host-sallyport-session' : 'sallyport-session';
}

export function readSessionCookie(request: FastifyRequest, publicUrl: URL): string | undefined {
  const cookie = request.cookies[sessionCookieName(publicUrl)];
  return cookie !== undefined && /^[A-Za-z0-9_-]{20,200}$/.test(cookie) ? cookie : undefined;
}

export function setSessionCookie(reply: FastifyReply, publicUrl: URL, cookie: string): void {
  reply.setCookie(sessionCookieName(publicUrl), cookie, attributes(publicUrl));
}

export function clearSessionCookie(reply: FastifyReply, publicUrl: URL): void {
  reply.clearCookie(sessionCookieName(publicUrl), attributes(publicUrl));
}

/** The token in a session's forms: a digest keyed by the cookie, which no other page can read. */
export function csrfTokenFor(cookie: string): string {
  return createHmac('sha256', cookie).update('sallyport form').digest('base64url');
}

/** @throws cross_site_request */
export function requireCsrfToken(expected: string, given: string): void {
  const wanted = Buffer.from(expected);
  const sent = Buffer.from(given);
  if (wanted.length === sent.length && timingSafeEqual(wanted, sent)) return;
  throw new SallyportError(
    'cross_site_request',
    'The form does not belong to your present sign-in. Load the page again and repeat what you did.',
  );
}

function attributes(publicUrl: URL) {
  return { path: '/', httpOnly: true, secure: publicUrl.protocol === 'https:', sameSite: 'lax' } as const;
}
