/**
 * The pages of a device login (RFC 8628 sections 3.3 and 5.4): the person types the code, logs in anew, sees who would be
 * logged in, where from and what for, and says yes or no. The code is never taken from an address.
 */
import formbody from '@fastify/formbody';
import type { FastifyInstance } from 'fastify';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { loginRefusedPage } from '../login/login-pages.ts';
import { acceptCode, askForCode, logIn } from './device-code-form.ts';
import { type DeviceHandler, type DeviceRouteParts, sendDevicePage } from './device-page.ts';
import { askForConsent, decide } from './device-question.ts';
import { devicePath } from './paths.ts';

/** Needs @fastify/cookie. */
export function registerDeviceRoutes(app: FastifyInstance, parts: DeviceRouteParts): void {
  const routes = [
    ['GET', devicePath, askForCode, 'asks for the code of a device login'],
    [
      'POST',
      devicePath,
      acceptCode,
      'takes the code of a device login; checks form, browser and tries itself',
    ],
    ['GET', `${devicePath}/login`, logIn, 'leads a device login to the identity provider'],
    [
      'GET',
      `${devicePath}/approve`,
      askForConsent,
      'asks whether a machine may log in; checks the browser itself',
    ],
    ['POST', `${devicePath}/approve`, decide, 'the answer to that; checks form and browser itself'],
  ] as const satisfies readonly (readonly [string, string, DeviceHandler, string])[];
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    await scope.register(formbody, { bodyLimit: 4096 });
    for (const [method, url, handler, purpose] of routes) {
      scope.route({
        method,
        url,
        config: { auth: 'none', purpose },
        handler: async (request, reply) => {
          try {
            return await handler(parts, request, reply, parts.clock());
          } catch (error) {
            if (isSallyportError(error)) {
              request.log.info({ code: error.code, status: error.status }, 'refused');
              const seconds = error.members['retry_after'];
              if (typeof seconds === 'number') reply.header('retry-after', seconds);
            } else request.log.error({ err: error }, 'device login failed');
            const { html, status } = loginRefusedPage(error, request.id);
            return sendDevicePage(reply, html, status);
          }
        },
      });
    }
  });
}
