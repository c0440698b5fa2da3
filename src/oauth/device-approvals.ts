/**
 * Browsers that decide on a device login: each has typed the code and holds a cookie, whose digest finds the row. Logging
 * in gives the row, and the browser, another secret, so that nobody who knew the first one can decide (session fixation).
 */
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import type { ProvenLogin } from '../login/login-flow.ts';
import type { Sealer } from '../secrets/seal.ts';
import { tokenHash } from '../secrets/token.ts';

export interface DeviceApproval {
  /** Id of the device code's record. */
  readonly deviceCode: string;
  /** Null: the person has not logged in yet. */
  readonly login: ProvenLogin | null;
}

const date = z.coerce.date();
/** The login comes back as it went in; only its times are not JSON. */
const loginSchema = z.looseObject({ authTime: date, startedAt: date, mfaTime: date.nullable() });

export async function saveApproval(
  db: Database,
  sealer: Sealer,
  secret: string,
  { deviceCode, login }: DeviceApproval,
  expiresAt: Date,
): Promise<void> {
  await db
    .insertInto('device_approvals')
    .values({
      secret_hash: tokenHash(secret),
      device_code: deviceCode,
      login: login && sealer.seal(JSON.stringify(login), context(deviceCode)),
      expires_at: expiresAt,
    })
    .execute();
}

export async function findApproval(
  db: Database,
  sealer: Sealer,
  secret: string,
  now: Date,
): Promise<DeviceApproval | undefined> {
  const row = await db
    .selectFrom('device_approvals')
    .select(['device_code', 'login'])
    .where('secret_hash', '=', tokenHash(secret))
    .where('expires_at', '>', now)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const login = row.login && (JSON.parse(sealer.open(row.login, context(row.device_code))) as unknown);
  return {
    deviceCode: row.device_code,
    login: login === null ? null : (loginSchema.parse(login) as unknown as ProvenLogin),
  };
}

/** True for one of several at once. */
export async function takeApproval(db: Database, secret: string): Promise<boolean> {
  const row = await db
    .deleteFrom('device_approvals')
    .where('secret_hash', '=', tokenHash(secret))
    .returning('device_code')
    .executeTakeFirst();
  return row !== undefined;
}

function context(deviceCode: string): string {
  return `device_approvals.login/${deviceCode}`;
}
