/**
 * The cookie of a browser that decides on a device login, and the token in its forms. `__Host-` over https: browsers
 * take it only from this very host (RFC 6265bis section 4.1.3.2). SameSite=Lax, since the way back from the identity
 * provider is a redirect from another site.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SallyportError } from '../errors/sallyport-error.ts';
import { newToken } from '../secrets/token.ts';
import { devicePath } from './paths.ts';

const maxAgeSeconds = 15 * 60;

function cookieName(publicUrl: URL): string {
  return publicUrl.protocol === 'https:' ? '__Host-sallyport-device' : 'sallyport-device';
}

export function readDeviceCookie({ cookies }: FastifyRequest, publicUrl: URL): string | undefined {
  const secret = cookies[cookieName(publicUrl)];
  return secret !== undefined && /^device_[A-Za-z0-9_-]{43}$/.test(secret) ? secret : undefined;
}

/** A new one, whatever the browser had. */
export function setDeviceCookie(reply: FastifyReply, publicUrl: URL): string {
  const secret = newToken('device');
  reply.setCookie(cookieName(publicUrl), secret, { ...attributes(publicUrl), maxAge: maxAgeSeconds });
  return secret;
}

export function clearDeviceCookie(reply: FastifyReply, publicUrl: URL): void {
  reply.clearCookie(cookieName(publicUrl), attributes(publicUrl));
}

/** A digest keyed by the cookie, which no other page can read. */
export function deviceFormToken(secret: string): string {
  return createHmac('sha256', secret).update('sallyport device form').digest('base64url');
}

/** @returns the browser's secret @throws cross_site_request */
export function requireDeviceForm(request: FastifyRequest, publicUrl: URL, given: string): string {
  const secret = readDeviceCookie(request, publicUrl);
  if (secret !== undefined) {
    const wanted = Buffer.from(deviceFormToken(secret));
    const sent = Buffer.from(given);
    if (wanted.length === sent.length && timingSafeEqual(wanted, sent)) return secret;
  }
  throw new SallyportError(
    'cross_site_request',
    `This form does not belong to this browser, or has expired. Open ${publicUrl.origin}${devicePath} again.`,
  );
}

function attributes(publicUrl: URL) {
  return { path: '/', httpOnly: true, secure: publicUrl.protocol === 'https:', sameSite: 'lax' } as const;
}
