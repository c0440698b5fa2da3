/**
 * The pages of a device login (RFC 8628 sections 3.3 and 5.4): the person types the code, logs in anew, sees who would be
 * logged in, where from and what for, and says yes or no. The code is never taken from an address.
 */
import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type Provider from 'oidc-provider';
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import type { LoginFlow } from '../login/login-flow.ts';
import { contentSecurityPolicy } from '../pages/assets.ts';
import { deviceApprovalPage } from '../pages/device-approval-page.ts';
import { deviceCodeAcceptedPage, deviceCodePage } from '../pages/device-code-page.ts';
import { messagePage } from '../pages/message-page.ts';
import type { Sealer } from '../secrets/seal.ts';
import { approveDevice, denyDevice } from './approve-device.ts';
import { demandOf, providerParameter } from './authorization-parameters.ts';
import { type DeviceApproval, findApproval, saveApproval, takeApproval } from './device-approvals.ts';
import { waitingById, waitingByUserCode } from './device-codes.ts';
import {
  clearDeviceCookie,
  deviceFormToken,
  readDeviceCookie,
  requireDeviceForm,
  setDeviceCookie,
} from './device-cookie.ts';
import { countingWrongCodes } from './device-guesses.ts';
import { deviceCodeOver } from './device-login.ts';
import { isSameNetwork } from './device-network.ts';
import { loadDevicePolicy } from './device-policy.ts';
import { sendLoginPage } from './interaction-routes.ts';
import { devicePath } from './paths.ts';
import { readUserCode, userCodeDigest } from './user-code.ts';

export interface DeviceRouteParts {
  readonly db: Database;
  readonly provider: Provider;
  readonly flow: Pick<LoginFlow, 'begin'>;
  readonly publicUrl: URL;
  readonly sealer: Sealer;
  readonly userCodeKey: Buffer;
  readonly clock: () => Date;
}

type Handler = (
  parts: DeviceRouteParts,
  request: FastifyRequest,
  reply: FastifyReply,
  now: Date,
) => Promise<unknown>;

const codeForm = z.strictObject({ csrf_token: z.string().max(200), user_code: z.string().max(40) });
const decisionForm = z.strictObject({
  csrf_token: z.string().max(200),
  decision: z.enum(['approve', 'deny']),
});

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
  ] as const satisfies readonly (readonly [string, string, Handler, string])[];
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
            return await sendLoginPage(error, request, reply);
          }
        },
      });
    }
  });
}

async function askForCode(
  { publicUrl }: DeviceRouteParts,
  _request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const secret = setDeviceCookie(reply, publicUrl);
  return send(reply, deviceCodePage({ csrfToken: deviceFormToken(secret), problem: null }));
}

async function acceptCode(
  { db, publicUrl, sealer, userCodeKey }: DeviceRouteParts,
  request: FastifyRequest,
  reply: FastifyReply,
  now: Date,
): Promise<unknown> {
  const { csrf_token, user_code } = parse(codeForm, request.body);
  const secret = requireDeviceForm(request, publicUrl, csrf_token);
  const guesser = { address: request.ip, browser: secret };
  const code = await countingWrongCodes(db, guesser, now, async () => {
    const typed = readUserCode(user_code);
    return typed && (await waitingByUserCode(db, userCodeDigest(userCodeKey, typed), now));
  });
  if (!code) {
    const problem = 'That is not the code of a machine that waits. Check it; after 5 minutes it is over.';
    return send(reply.code(400), deviceCodePage({ csrfToken: deviceFormToken(secret), problem }));
  }
  const next = setDeviceCookie(reply, publicUrl);
  await saveApproval(db, sealer, next, { deviceCode: code.id, login: null }, code.expiresAt);
  // Not a redirect: browsers hold a form's redirects to form-action, which can't name everybody's identity provider.
  return send(
    reply.header('refresh', `0; url=${devicePath}/login`),
    deviceCodeAcceptedPage(`${devicePath}/login`),
  );
}

async function logIn(
  parts: DeviceRouteParts,
  request: FastifyRequest,
  reply: FastifyReply,
  now: Date,
): Promise<unknown> {
  const { deviceCode } = await approvalOf(parts, request, now);
  const code = await waitingById(parts.db, deviceCode, now);
  if (code === undefined) throw deviceCodeOver();
  const wanted = code.params[providerParameter];
  return await parts.flow.begin(request, reply, {
    purpose: { kind: 'device', deviceCode },
    demand: demandOf(code.params),
    // Whoever leads a person here hopes for a login that nobody notices.
    fresh: true,
    ...(typeof wanted === 'string' ? { provider: wanted } : {}),
  });
}

async function askForConsent(
  parts: DeviceRouteParts,
  request: FastifyRequest,
  reply: FastifyReply,
  now: Date,
): Promise<unknown> {
  const { deviceCode, login, secret } = await approvalOf(parts, request, now);
  const code = await waitingById(parts.db, deviceCode, now);
  if (code === undefined || login === null) throw deviceCodeOver();
  const { sessionSeconds } = await loadDevicePolicy(parts.db, login.organizationSlug);
  const { address, name, jkt } = code.machine;
  const view = {
    csrfToken: deviceFormToken(secret),
    account: login.accountName,
    identityProvider: login.provider.name,
    machine: { address, name, key: jkt },
    browserAddress: request.ip,
    sameNetwork: isSameNetwork(address, request.ip),
    untilSeconds: Math.floor(now.getTime() / 1000) + sessionSeconds,
    nowSeconds: Math.floor(now.getTime() / 1000),
  };
  return send(reply, deviceApprovalPage(view));
}

async function decide(
  parts: DeviceRouteParts,
  request: FastifyRequest,
  reply: FastifyReply,
  now: Date,
): Promise<unknown> {
  const { db, publicUrl } = parts;
  const { csrf_token, decision } = parse(decisionForm, request.body);
  const secret = requireDeviceForm(request, publicUrl, csrf_token);
  const { deviceCode, login } = await approvalOf(parts, request, now);
  const code = await waitingById(db, deviceCode, now);
  if (code === undefined || login === null || !(await takeApproval(db, secret))) throw deviceCodeOver();
  clearDeviceCookie(reply, publicUrl);
  const decided = { code, login, browserAddress: request.ip };
  if (decision === 'deny') {
    await denyDevice(parts, decided, now);
    return send(reply, deniedPage);
  }
  await approveDevice(parts, decided, now);
  return send(reply, approvedPage);
}

/** @throws login_state_invalid */
async function approvalOf(
  { db, publicUrl, sealer }: DeviceRouteParts,
  request: FastifyRequest,
  now: Date,
): Promise<DeviceApproval & { readonly secret: string }> {
  const secret = readDeviceCookie(request, publicUrl);
  const approval = secret === undefined ? undefined : await findApproval(db, sealer, secret, now);
  if (secret === undefined || approval === undefined) throw deviceCodeOver();
  return { ...approval, secret };
}

function parse<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new SallyportError('request_malformed', 'The form is not as it must be. Open the page again.');
}

function send(reply: FastifyReply, page: string): FastifyReply {
  return reply
    .header('content-security-policy', contentSecurityPolicy())
    .header('x-frame-options', 'DENY')
    .header('referrer-policy', 'same-origin')
    .header('cache-control', 'no-store')
    .type('text/html; charset=utf-8')
    .send(page);
}

const approvedPage = messagePage({
  title: 'The machine is logged in',
  paragraphs: [
    'sally on that machine goes on by itself within a few seconds. You can close this window.',
    'It stands among your sessions, where you can end it at any time.',
  ],
  tone: 'good',
});

const deniedPage = messagePage({
  title: 'The machine was refused',
  paragraphs: [
    'It is not logged in. If somebody else asked you to type that code, tell your administrators: they tried to log in as you.',
  ],
  tone: 'good',
});
