/** Sessions and stored certificates to test with. */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Tx } from '../../src/database/database.ts';
import { type NewSession, startSession } from '../../src/sessions/start-session.ts';
import { issuer } from '../inventory/shop.ts';

export async function startedSession(
  tx: Tx,
  accountId: string,
  now: Date,
  more: Partial<NewSession> = {},
): Promise<string> {
  const session: NewSession = {
    accountId,
    kind: 'helper',
    issuer,
    amr: ['pwd', 'otp'],
    acr: null,
    authTime: now,
    mfa: true,
    expiresAt: new Date(now.getTime() + 12 * 3_600_000),
    clientAddress: '192.0.2.7',
    clientName: 'laptop',
    ...more,
  };
  return await startSession(tx, session, now);
}

/** A CA key's row. Only its identity matters here. */
export async function createCaKey(tx: Tx): Promise<string> {
  const { id } = await tx
    .insertInto('ca_keys')
    .values({
      purpose: 'user',
      generation: 1,
      public_key: randomBytes(51),
      signer: 'memory:user',
      state: 'active',
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

export interface NewCertificate {
  readonly caKeyId: string;
  readonly sessionId?: string;
  readonly companionId?: string;
  readonly validBefore: Date;
}

/** Stores a certificate's row as the CA does, without its bytes. Returns the serial. */
export async function storeCertificate(
  tx: Tx,
  { caKeyId, sessionId, companionId, validBefore }: NewCertificate,
): Promise<bigint> {
  const { serial } = await tx
    .insertInto('certificates')
    .values({
      serial: sql<bigint>`nextval('certificate_serials')`,
      kind: companionId === undefined ? 'user' : 'host',
      ca_key_id: caKeyId,
      session_id: sessionId ?? null,
      companion_id: companionId ?? null,
      key_id: 'alice@example.com/test',
      public_key: randomBytes(51),
      principals: ['alice@example.com'],
      valid_after: new Date(validBefore.getTime() - 3_660_000),
      valid_before: validBefore,
      to_be_signed: randomBytes(64),
      decision: JSON.stringify({}),
    })
    .returning('serial')
    .executeTakeFirstOrThrow();
  return BigInt(serial);
}
