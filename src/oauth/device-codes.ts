/**
 * Device logins under way (RFC 8628): the rows of oidc-provider's device codes as the pages and the poll see them. Who
 * decides one compares and sets in one statement, so that of several decisions exactly one takes effect.
 */
import { sql } from 'kysely';
import { z } from 'zod';
import type { Database, Tx } from '../database/database.ts';
import { helperScope } from './helper-grant.ts';
import { recordId } from './record-store.ts';

const model = 'DeviceCode';

/** The machine that asked. */
export interface AskingMachine {
  readonly address: string;
  /** What it calls itself; not verified. */
  readonly name: string | null;
  /** Thumbprint of its key (RFC 7638), with which alone the code can be redeemed. */
  readonly jkt: string;
}

export interface DeviceCode {
  /** Of its record: a digest of the device code, and no secret. */
  readonly id: string;
  readonly machine: AskingMachine;
  readonly expiresAt: Date;
  /** Of the device authorization request. */
  readonly params: { readonly scope: string; readonly resource: string } & Readonly<Record<string, unknown>>;
}

const payloadSchema = z.object({
  deviceInfo: z.object({ address: z.string(), name: z.string().nullable(), jkt: z.string() }),
  params: z.looseObject({ scope: z.string().default(helperScope), resource: z.string() }),
});

/** The device login of a typed code, if it waits to be decided. */
export async function waitingByUserCode(
  db: Database,
  digest: string,
  now: Date,
): Promise<DeviceCode | undefined> {
  return await waiting(db, 'user_code', digest, now);
}

export async function waitingById(db: Database, id: string, now: Date): Promise<DeviceCode | undefined> {
  return await waiting(db, 'id', id, now);
}

async function waiting(
  db: Database,
  column: 'id' | 'user_code',
  value: string,
  now: Date,
): Promise<DeviceCode | undefined> {
  const row = await db
    .selectFrom('oauth_records')
    .select(['id', 'payload', 'expires_at'])
    .where('model', '=', model)
    .where(column, '=', value)
    .where('expires_at', '>', now)
    .where(undecided)
    .executeTakeFirst();
  if (row?.expires_at == null) return undefined;
  const { deviceInfo, params } = payloadSchema.parse(row.payload);
  return { id: row.id, machine: deviceInfo, expiresAt: row.expires_at, params };
}

/** What oidc-provider reads of an approved code when the machine asks again. */
export interface Approval {
  readonly accountId: string;
  readonly grantId: string;
  readonly scope: string;
  readonly resource: string;
  readonly authTime: number;
  readonly amr: readonly string[];
  readonly acr?: string;
}

/** An approved code lives on for this long at least: the machine may ask every few seconds only. */
const redeemableSeconds = 60;

/** False if it was decided before, or is over. The machine that asks next gets its tokens. */
export async function approveDeviceCode(tx: Tx, id: string, approval: Approval, now: Date): Promise<boolean> {
  const until = new Date(now.getTime() + redeemableSeconds * 1000);
  const untilSeconds = Math.floor(until.getTime() / 1000);
  const updated = await tx
    .updateTable('oauth_records')
    .set({
      payload: sql`payload || ${JSON.stringify(approval)}::jsonb
        || jsonb_build_object('exp', greatest((payload->>'exp')::bigint, ${untilSeconds}::bigint))`,
      grant_id: approval.grantId,
      expires_at: sql`greatest(expires_at, ${until})`,
    })
    .where('model', '=', model)
    .where('id', '=', id)
    .where('expires_at', '>', now)
    .where(undecided)
    .returning('id')
    .executeTakeFirst();
  return updated !== undefined;
}

/** False if it was decided before, or is over. @param why for the person at the machine, in printable ASCII */
export async function denyDeviceCode(tx: Tx, id: string, why: string, now: Date): Promise<boolean> {
  const outcome = JSON.stringify({ error: 'access_denied', errorDescription: why });
  const updated = await tx
    .updateTable('oauth_records')
    .set({ payload: sql`payload || ${outcome}::jsonb` })
    .where('model', '=', model)
    .where('id', '=', id)
    .where('expires_at', '>', now)
    .where(undecided)
    .returning('id')
    .executeTakeFirst();
  return updated !== undefined;
}

const undecided = sql<boolean>`payload->>'accountId' is null and payload->>'error' is null`;

const firstIntervalSeconds = 5;
/** RFC 8628 section 3.5: what `slow_down` adds. */
const slowDownSeconds = 5;
const longestIntervalSeconds = 60;

export const pollIntervalSeconds = firstIntervalSeconds;

/**
 * Notes that the machine asked. One statement: of several polls at once one is in time.
 * @param deviceCode the code itself
 * @returns whether it came too early, which makes its interval longer
 */
export async function notePoll(db: Database, deviceCode: string, now: Date): Promise<boolean> {
  const device_code = recordId(deviceCode);
  const { too_early } = await db
    .insertInto('device_polls')
    .values({
      device_code,
      interval_seconds: firstIntervalSeconds,
      polled_at: now,
      too_early: false,
      expires_at: new Date(now.getTime() + 3_600_000),
    })
    .onConflict((conflict) =>
      conflict.column('device_code').doUpdateSet({
        too_early: early(now),
        interval_seconds: sql<number>`case when ${early(now)} then
          least(device_polls.interval_seconds + ${slowDownSeconds}::integer, ${longestIntervalSeconds}::integer)
          else device_polls.interval_seconds end`,
        polled_at: now,
      }),
    )
    .returning('too_early')
    .executeTakeFirstOrThrow();
  return too_early;
}

/** A second for what the network adds and takes. */
function early(now: Date) {
  return sql<boolean>`device_polls.polled_at + make_interval(secs => device_polls.interval_seconds - 1) > ${now}`;
}
