/**
 * The rows of the authorization server's artifacts. An artifact's id is a secret for most models (a code, a refresh
 * token, a cookie), so rows are found by its SHA-256 and neither the id nor the token stands in the table.
 */
import { createHash } from 'node:crypto';
import type { AdapterPayload } from 'oidc-provider';
import type { Database } from '../database/database.ts';

export interface StoredRecord {
  readonly payload: AdapterPayload;
  readonly consumptions: number;
  readonly consumedAt: Date | null;
}

export interface NewRecord {
  readonly model: string;
  readonly id: string;
  readonly payload: AdapterPayload;
  readonly expiresAt: Date | null;
  /** Digest of the refresh token that this one takes the place of. */
  readonly replaces?: string;
  /** Keyed digest of a device code's user code. */
  readonly userCode?: string;
}

export function recordId(id: string): string {
  return createHash('sha256').update(id).digest('base64url');
}

export async function findRecord(db: Database, model: string, id: string): Promise<StoredRecord | undefined> {
  const row = await db
    .selectFrom('oauth_records')
    .select(['payload', 'consumptions', 'consumed_at'])
    .where('model', '=', model)
    .where('id', '=', recordId(id))
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const payload = { ...row.payload, jti: id } as AdapterPayload;
  return { payload, consumptions: row.consumptions, consumedAt: row.consumed_at };
}

/** Writes the artifact; writing it again keeps how often it was consumed. */
export async function saveRecord(db: Database, record: NewRecord): Promise<void> {
  const { jti: _secret, userCode: _typed, ...payload } = record.payload;
  // The grant itself belongs to its grant: ending a session deletes by this column.
  const grantId = record.model === 'Grant' ? record.id : (payload.grantId ?? null);
  await db
    .insertInto('oauth_records')
    .values({
      model: record.model,
      id: recordId(record.id),
      payload: JSON.stringify(payload),
      grant_id: grantId,
      user_code: record.userCode ?? null,
      uid: record.replaces ?? null,
      expires_at: record.expiresAt,
    })
    .onConflict((conflict) =>
      conflict.columns(['model', 'id']).doUpdateSet((excluded) => ({
        payload: excluded.ref('excluded.payload'),
        expires_at: excluded.ref('excluded.expires_at'),
      })),
    )
    .execute();
}

/** Compare-and-set: false if it was consumed since `observed` was read, or is gone. Keeps the time of the first use. */
export async function consumeRecord(
  db: Database,
  { model, id, observed }: { readonly model: string; readonly id: string; readonly observed: number },
  now: Date,
): Promise<boolean> {
  const updated = await db
    .updateTable('oauth_records')
    .set((update) => ({
      consumptions: observed + 1,
      consumed_at: update.fn.coalesce('consumed_at', update.val(now)),
    }))
    .where('model', '=', model)
    .where('id', '=', recordId(id))
    .where('consumptions', '=', observed)
    .returning('id')
    .executeTakeFirst();
  return updated !== undefined;
}

export async function deleteRecord(db: Database, model: string, id: string): Promise<void> {
  await db.deleteFrom('oauth_records').where('model', '=', model).where('id', '=', recordId(id)).execute();
}

/** Whether any refresh token that took this one's place was used. */
export async function successorWasUsed(db: Database, id: string): Promise<boolean> {
  const row = await db
    .selectFrom('oauth_records')
    .select('id')
    .where('model', '=', 'RefreshToken')
    .where('uid', '=', recordId(id))
    .where('consumptions', '>', 0)
    .executeTakeFirst();
  return row !== undefined;
}

export async function deleteSuccessors(db: Database, id: string): Promise<void> {
  await db
    .deleteFrom('oauth_records')
    .where('model', '=', 'RefreshToken')
    .where('uid', '=', recordId(id))
    .execute();
}
