/**
 * The machine of a device login asks for its tokens (RFC 8628 section 3.4). Checked before oidc-provider sees the code,
 * so that a stranger's request uses nothing up: which key asks, how often, and how often somebody guesses.
 */
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader } from 'jose';
import Provider, { errors } from 'oidc-provider';
import type { Database } from '../database/database.ts';
import { countAttempt, type Limit } from '../limits/count-attempt.ts';
import { guesserOf } from '../limits/guesser-of.ts';
import { notePoll } from './device-codes.ts';
import { useProofOnce } from './proof-store.ts';
import type { StoredRecord } from './record-store.ts';

const guesses: Limit = { bucket: 'device-code', allowed: 5, windowSeconds: 600 };
const proofMilliseconds = 600_000;

/** @throws oidc-provider's errors: slow_down, invalid_grant */
export async function admitPoll(
  db: Database,
  deviceCode: string,
  record: StoredRecord | undefined,
  now: Date,
): Promise<void> {
  const ctx = Provider.ctx;
  // Nobody else looks for device codes through oidc-provider.
  if (ctx?.oidc.route !== 'token') throw new errors.InvalidGrant('a device code is for the token endpoint');
  if (record === undefined) {
    const { count } = await countAttempt(db, guesses, guesserOf(ctx.ip), now);
    if (count > guesses.allowed) throw new errors.SlowDown();
    return;
  }
  const { jkt, jti } = await proofOf(ctx.get('DPoP'));
  if (jkt !== (record.payload.deviceInfo as { jkt?: unknown } | undefined)?.jkt) {
    throw new errors.InvalidGrant('the proof is made with another key than the device code is bound to');
  }
  const until = new Date(now.getTime() + proofMilliseconds);
  if (!(await useProofOnce(db, { scope: 'device poll', jti: `${jkt}\n${jti}` }, until))) {
    throw new errors.InvalidGrant('DPoP proof JWT Replay detected');
  }
  if (record.consumedAt === null && (await notePoll(db, deviceCode, now))) throw new errors.SlowDown();
}

/** oidc-provider has verified it by now, if there is one. */
async function proofOf(dpop: string): Promise<{ readonly jkt: string; readonly jti: string }> {
  if (dpop === '') throw new errors.InvalidGrant('DPoP proof JWT not provided');
  const { jwk } = decodeProtectedHeader(dpop);
  if (jwk === undefined) throw new errors.InvalidGrant('the DPoP proof holds no key');
  return { jkt: await calculateJwkThumbprint(jwk), jti: String(decodeJwt(dpop).jti) };
}
