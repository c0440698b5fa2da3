/** The person sees who would be logged in, where from and what for, and says yes or no. */

import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { deviceApprovalPage } from '../pages/device-approval-page.ts';
import { messagePage } from '../pages/message-page.ts';
import { approveDevice, denyDevice } from './approve-device.ts';
import { takeApproval } from './device-approvals.ts';
import { waitingById } from './device-codes.ts';
import { clearDeviceCookie, deviceFormToken, requireDeviceForm } from './device-cookie.ts';
import { deviceCodeOver } from './device-login.ts';
import { isSameNetwork } from './device-network.ts';
import { approvalOf, type DeviceRouteParts, formToken, readForm, sendDevicePage } from './device-page.ts';
import { loadDevicePolicy } from './device-policy.ts';

const decisionForm = z.strictObject({ csrf_token: formToken, decision: z.enum(['approve', 'deny']) });

export async function askForConsent(
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
  return sendDevicePage(reply, deviceApprovalPage(view));
}

export async function decide(
  parts: DeviceRouteParts,
  request: FastifyRequest,
  reply: FastifyReply,
  now: Date,
): Promise<unknown> {
  const { db, publicUrl } = parts;
  const { csrf_token, decision } = readForm(decisionForm, request.body);
  const secret = requireDeviceForm(request, publicUrl, csrf_token);
  const { deviceCode, login } = await approvalOf(parts, request, now);
  const code = await waitingById(db, deviceCode, now);
  if (code === undefined || login === null || !(await takeApproval(db, secret))) throw deviceCodeOver();
  clearDeviceCookie(reply, publicUrl);
  const decided = { code, login, browserAddress: request.ip };
  if (decision === 'deny') {
    await denyDevice(parts, decided, now);
    return sendDevicePage(reply, deniedPage);
  }
  await approveDevice(parts, decided, now);
  return sendDevicePage(reply, approvedPage);
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
