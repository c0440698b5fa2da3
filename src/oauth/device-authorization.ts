/**
 * The device authorization endpoint (RFC 8628 section 3.1), as far as oidc-provider leaves it to us: whether it is
 * switched on, how often, for which machine and which key, and what the reply says.
 */
import Provider, { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { recordEvent } from '../audit/record-event.ts';
import type { Database } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { allowAttempt, type Limit } from '../limits/count-attempt.ts';
import { guesserOf } from '../limits/guesser-of.ts';
import { deviceNameParameter } from './authorization-parameters.ts';
import { type AskingMachine, pollIntervalSeconds } from './device-codes.ts';
import { isDeviceLoginOn } from './device-policy.ts';
import { asOauthError } from './oauth-error.ts';
import { apiResource, devicePath, mountPath } from './paths.ts';
import { type ProofParts, useProof, verifyProof } from './verify-proof.ts';

export interface DeviceAuthorizationParts extends ProofParts {
  readonly db: Database;
  readonly publicUrl: URL;
  readonly clock: () => Date;
}

/** Under the mount path. */
export const deviceAuthorizationPath = '/device_authorization';
export const userCodeSeconds = 300;

const requests: Limit = { bucket: 'device-authorization', allowed: 30, windowSeconds: 60 };

const machines = new WeakMap<object, AskingMachine>();

/** Its last check: proof of the key that the code will be bound to. Notes the machine for deviceInfo(). */
export async function admitDevice(parts: DeviceAuthorizationParts, ctx: KoaContextWithOIDC): Promise<void> {
  const { db, publicUrl, clock } = parts;
  const now = clock();
  const params = ctx.oidc.params ?? {};
  if (!(await isDeviceLoginOn(db))) {
    throw new errors.UnauthorizedClient('logins by device code are switched off here, run: sally login');
  }
  const resource = apiResource(publicUrl);
  if ([params['resource']].flat().some((wanted) => wanted !== resource)) throw new errors.InvalidTarget();
  try {
    await allowAttempt(db, requests, guesserOf(ctx.ip), now);
    const url = `${publicUrl.origin}${mountPath}${deviceAuthorizationPath}`;
    const dpop = ctx.get('DPoP') || undefined;
    const proof = await verifyProof(parts, { dpop, method: ctx.method, url }, now);
    await useProof(db, proof, now);
    const name = params[deviceNameParameter];
    const machine = {
      address: ctx.ip,
      name: typeof name === 'string' ? printable(name) : null,
      jkt: proof.jkt,
    };
    const facts = { client_address: machine.address, client_name: machine.name, key: machine.jkt };
    await inTransaction(db, (tx) => recordEvent(tx, { event: 'device.requested', facts }));
    machines.set(ctx, machine);
  } catch (error) {
    throw isSallyportError(error) ? asOauthError(error, ctx, parts.nonces, now) : error;
  }
}

/** oidc-provider keeps it with the code. */
export function deviceInfo(ctx: KoaContextWithOIDC): Record<string, unknown> {
  const machine = machines.get(ctx);
  if (machine === undefined) throw new TypeError('the machine was not admitted');
  return { ...machine };
}

/**
 * The person always types the code (RFC 8628 section 5.4): no address that holds it is given out. And oidc-provider's
 * own pages for it, which need a session that we do not keep, are not there.
 */
export function withOwnDevicePage(publicUrl: URL): Parameters<Provider['use']>[0] {
  return async (ctx, next) => {
    if (ctx.path === devicePath || ctx.path.startsWith(`${devicePath}/`)) {
      ctx.status = 404;
      return;
    }
    await next();
    const body = ctx.body as Record<string, unknown> | undefined;
    if (ctx.path !== deviceAuthorizationPath || ctx.status !== 200 || body?.['user_code'] === undefined)
      return;
    const { verification_uri_complete: _holdsTheCode, ...rest } = body;
    const verification_uri = new URL(devicePath, publicUrl).href;
    ctx.body = { ...rest, verification_uri, interval: pollIntervalSeconds };
  };
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
}
