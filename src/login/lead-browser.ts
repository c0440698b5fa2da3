import type { FastifyReply, FastifyRequest } from 'fastify';
import { goingOnPage } from '../pages/passkey-page.ts';
import { sendLoginPage } from './send-login-page.ts';

/**
 * Sends the browser to another address. A form is answered with a page that goes on by itself: browsers hold a form's
 * redirects to the form-action of its page (CSP level 3, section 6.4.1), which can't name everybody's identity provider,
 * nor the port on the person's machine where `sally` waits.
 */
export function leadBrowser(request: FastifyRequest, reply: FastifyReply, address: string): FastifyReply {
  if (request.method === 'GET') return reply.redirect(address, 303);
  reply.header('refresh', `0;url=${address}`);
  return sendLoginPage(reply, goingOnPage(address));
}
