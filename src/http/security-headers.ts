/** Headers on every reply. Set on the raw response first, so that replies written past Fastify have them too. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { contentSecurityPolicy } from '../pages/assets.ts';

const always = {
  'content-security-policy':
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'cache-control': 'no-store',
} as const;

export function setSecurityHeaders(app: FastifyInstance, publicUrl: URL): void {
  const encrypted = publicUrl.protocol === 'https:';
  app.addHook('onRequest', async (_request, reply) => {
    for (const [name, value] of Object.entries(always)) reply.raw.setHeader(name, value);
    if (encrypted) reply.raw.setHeader('strict-transport-security', 'max-age=31536000');
  });
}

/**
 * Sends a page of pages/. Its referrer policy is `same-origin`: under `no-referrer` browsers post our own forms with
 * `Origin: null` (Fetch standard, "append a request Origin header"), which is refused as another site's.
 */
export function sendPage(reply: FastifyReply, page: string): FastifyReply {
  return reply
    .header('content-security-policy', contentSecurityPolicy())
    .header('referrer-policy', 'same-origin')
    .type('text/html; charset=utf-8')
    .send(page);
}
