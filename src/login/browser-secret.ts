/**
 * The cookie that ties a login to the browser it was started in (login CSRF, RFC 9700 section 4.7). It is nothing but a
 * random name of the browser for a quarter of an hour: it signs nobody in.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { newToken } from '../secrets/token.ts';

const maxAgeSeconds = 15 * 60;

/** `__Host-`: browsers take it only from this very host (RFC 6265bis section 4.1.3.2), which needs https. */
function cookieName(publicUrl: URL): string {
  return publicUrl.protocol === 'https:' ? '__Host-sallyport-login' : 'sallyport-login';
}

/** The browser's secret, if it has one. Needs @fastify/cookie. */
export function readBrowserSecret(request: FastifyRequest, publicUrl: URL): string | undefined {
  const secret = request.cookies[cookieName(publicUrl)];
  return secret !== undefined && /^login_[A-Za-z0-9_-]{43}$/.test(secret) ? secret : undefined;
}

/** The browser's secret for startLogin; a new one is sent along with `reply`. Two logins may be under way at once. */
export function browserSecretOf(request: FastifyRequest, reply: FastifyReply, publicUrl: URL): string {
  const secret = readBrowserSecret(request, publicUrl) ?? newToken('login');
  reply.setCookie(cookieName(publicUrl), secret, {
    path: '/',
    httpOnly: true,
    secure: publicUrl.protocol === 'https:',
    sameSite: 'lax',
    maxAge: maxAgeSeconds,
  });
  return secret;
}
