/** Pages of a login that is under way. */
import type { FastifyReply } from 'fastify';
import { contentSecurityPolicy } from '../pages/assets.ts';

/**
 * Its referrer policy is `same-origin`: under `no-referrer` browsers post our own forms with `Origin: null` (Fetch
 * standard, "append a request Origin header"), which is refused as another site's.
 */
export function sendLoginPage(reply: FastifyReply, page: string, status = 200): FastifyReply {
  return reply
    .code(status)
    .header('content-security-policy', contentSecurityPolicy())
    .header('referrer-policy', 'same-origin')
    .header('cache-control', 'no-store')
    .type('text/html; charset=utf-8')
    .send(page);
}
