/** The person types the code, and logs in anew. */

import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { deviceCodeAcceptedPage, deviceCodePage } from '../pages/device-code-page.ts';
import { demandOf, providerParameter } from './authorization-parameters.ts';
import { saveApproval } from './device-approvals.ts';
import { waitingById, waitingByUserCode } from './device-codes.ts';
import { deviceFormToken, requireDeviceForm, setDeviceCookie } from './device-cookie.ts';
import { countingWrongCodes } from './device-guesses.ts';
import { deviceCodeOver } from './device-login.ts';
import { approvalOf, type DeviceRouteParts, formToken, readForm, sendDevicePage } from './device-page.ts';
import { devicePath } from './paths.ts';
import { readUserCode, userCodeDigest } from './user-code.ts';

const codeForm = z.strictObject({ csrf_token: formToken, user_code: z.string().max(40) });

export async function askForCode(
  { publicUrl }: DeviceRouteParts,
  _request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const secret = setDeviceCookie(reply, publicUrl);
  return sendDevicePage(reply, deviceCodePage({ csrfToken: deviceFormToken(secret), problem: null }));
}

export async function acceptCode(
  { db, publicUrl, sealer, userCodeKey }: DeviceRouteParts,
  request: FastifyRequest,
  reply: FastifyReply,
  now: Date,
): Promise<unknown> {
  const { csrf_token, user_code } = readForm(codeForm, request.body);
  const secret = requireDeviceForm(request, publicUrl, csrf_token);
  const guesser = { address: request.ip, browser: secret };
  const code = await countingWrongCodes(db, guesser, now, async () => {
    const typed = readUserCode(user_code);
    return typed && (await waitingByUserCode(db, userCodeDigest(userCodeKey, typed), now));
  });
  if (!code) {
    const problem = 'That is not the code of a machine that waits. Check it; after 5 minutes it is over.';
    return sendDevicePage(reply, deviceCodePage({ csrfToken: deviceFormToken(secret), problem }), 400);
  }
  const other = setDeviceCookie(reply, publicUrl);
  await saveApproval(db, sealer, other, { deviceCode: code.id, login: null }, code.expiresAt);
  // Not a redirect: browsers hold a form's redirects to form-action, which can't name everybody's identity provider.
  const next = `${devicePath}/login`;
  return sendDevicePage(reply.header('refresh', `0; url=${next}`), deviceCodeAcceptedPage(next));
}

export async function logIn(
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
