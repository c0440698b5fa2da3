/** What the pages of a device login share. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type Provider from 'oidc-provider';
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { LoginFlow } from '../login/login-flow.ts';
import { sendLoginPage } from '../login/send-login-page.ts';
import type { Sealer } from '../secrets/seal.ts';
import { type DeviceApproval, findApproval } from './device-approvals.ts';
import { readDeviceCookie } from './device-cookie.ts';
import { deviceCodeOver } from './device-login.ts';

export interface DeviceRouteParts {
  readonly db: Database;
  readonly provider: Provider;
  readonly flow: Pick<LoginFlow, 'begin'>;
  readonly publicUrl: URL;
  readonly sealer: Sealer;
  readonly userCodeKey: Buffer;
  readonly clock: () => Date;
}

export type DeviceHandler = (
  parts: DeviceRouteParts,
  request: FastifyRequest,
  reply: FastifyReply,
  now: Date,
) => Promise<unknown>;

/** The token that every form carries. */
export const formToken = z.string().max(200);

/** @throws request_malformed */
export function readForm<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new SallyportError('request_malformed', 'The form is not as it must be. Open the page again.');
}

/** Of the browser that asks. @throws login_state_invalid */
export async function approvalOf(
  { db, publicUrl, sealer }: DeviceRouteParts,
  request: FastifyRequest,
  now: Date,
): Promise<DeviceApproval & { readonly secret: string }> {
  const secret = readDeviceCookie(request, publicUrl);
  const approval = secret === undefined ? undefined : await findApproval(db, sealer, secret, now);
  if (secret === undefined || approval === undefined) throw deviceCodeOver();
  return { ...approval, secret };
}

/** For browsers that know no frame-ancestors too. */
export function sendDevicePage(reply: FastifyReply, page: string, status = 200): FastifyReply {
  return sendLoginPage(reply.header('x-frame-options', 'DENY'), page, status);
}
