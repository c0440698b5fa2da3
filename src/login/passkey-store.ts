/** Passkeys of people: WebAuthn credentials, each of one account. */
import type { Selectable } from 'kysely';
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import type { PasskeyRow } from '../database/rows.ts';
import { isUuid } from '../database/uuid.ts';
import { violatedConstraint } from '../database/violated-constraint.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface Passkey {
  readonly id: string;
  readonly accountId: string;
  /** What the authenticator calls it. */
  readonly credentialId: Buffer;
  /** COSE. */
  readonly publicKey: Buffer;
  readonly counter: number;
  readonly transports: readonly string[];
  /** AAGUID: what its authenticator says that it is. */
  readonly model: string;
  readonly backedUp: boolean;
  readonly name: string;
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
}

export type NewPasskey = Omit<Passkey, 'id' | 'createdAt' | 'lastUsedAt'>;

/** Nobody has more hands. */
export const mostPasskeys = 20;

/** Those that are not removed, the oldest first. */
export async function passkeysOf(db: Database, accountId: string): Promise<Passkey[]> {
  const rows = await db
    .selectFrom('passkeys')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('removed_at', 'is', null)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
  return rows.map(passkeyOf);
}

/** Those that the organization lets count: of its models, where it names some. */
export function usable(passkeys: readonly Passkey[], models: readonly string[] | null): readonly Passkey[] {
  return models === null ? passkeys : passkeys.filter(({ model }) => models.includes(model));
}

/**
 * @param mayBeAnother whether one of those that there are, or a recovery code, was shown before
 * @throws passkey_refused if the credential is known already, whoever's it is, or there are too many
 */
export async function addPasskey(
  tx: Tx,
  passkey: NewPasskey,
  { mayBeAnother }: { readonly mayBeAnother: boolean },
  now: Date,
): Promise<string> {
  const { accountId, credentialId, publicKey, counter, transports, model, backedUp, name } = passkey;
  const { organization_id, disabled_at } = await tx
    .selectFrom('accounts')
    .select(['organization_id', 'disabled_at'])
    .where('id', '=', accountId)
    // Two enrolments at once are counted one after the other.
    .forNoKeyUpdate()
    .executeTakeFirstOrThrow();
  if (disabled_at !== null) {
    throw new SallyportError(
      'login_rejected',
      'Your account was disabled. Ask an administrator of your organization to enable it.',
    );
  }
  const before = await passkeysOf(tx, accountId);
  if (before.length > 0 && !mayBeAnother) {
    throw new SallyportError(
      'login_rejected',
      'A passkey was added to your account in the meantime. Start again, and show that one first.',
    );
  }
  if (before.length >= mostPasskeys) {
    throw new SallyportError(
      'passkey_refused',
      `You have ${mostPasskeys} passkeys already. Remove one that you no longer use, then add this one.`,
    );
  }
  const { id } = await tx
    .insertInto('passkeys')
    .values({
      account_id: accountId,
      credential_id: credentialId,
      public_key: publicKey,
      counter: String(counter),
      transports: [...transports],
      model,
      backed_up: backedUp,
      name,
      created_at: now,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
    .catch((error) => {
      if (violatedConstraint(error) !== 'passkeys_credential_key') throw error;
      throw new SallyportError(
        'passkey_refused',
        'This passkey is enrolled already. Use another one, or another device.',
      );
    });
  await recordEvent(tx, {
    event: 'passkey.enrolled',
    organizationId: organization_id,
    accountId,
    facts: { passkey: id, name, model, backed_up: backedUp },
  });
  return id;
}

/**
 * Notes a use. The signature counter must have grown, or stay 0 for ever where the authenticator counts nothing (WebAuthn
 * level 3 section 6.1.1); compared and set in one statement, so that a copy can't pass beside the original.
 * @returns whether it may be used
 */
export async function notePasskeyUse(
  tx: Tx,
  { id, counter }: { readonly id: string; readonly counter: number },
  now: Date,
): Promise<boolean> {
  const row = await tx
    .updateTable('passkeys')
    .set({ counter: String(counter), last_used_at: now })
    .where('id', '=', id)
    .where('removed_at', 'is', null)
    .where((where) =>
      where.or([
        where('counter', '<', String(counter)),
        where.and([where('counter', '=', '0'), where.val(counter === 0)]),
      ]),
    )
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** @throws not_found, also for another account's */
export async function removePasskey(
  tx: Tx,
  { id, accountId, by }: { readonly id: string; readonly accountId: string; readonly by: string },
  now: Date,
): Promise<void> {
  const row = isUuid(id)
    ? await tx
        .updateTable('passkeys')
        .set({ removed_at: now })
        .where('id', '=', id)
        .where('account_id', '=', accountId)
        .where('removed_at', 'is', null)
        .returning('name')
        .executeTakeFirst()
    : undefined;
  if (row === undefined) throw new SallyportError('not_found', 'There is no such passkey.');
  const { organization_id } = await tx
    .selectFrom('accounts')
    .select('organization_id')
    .where('id', '=', accountId)
    .executeTakeFirstOrThrow();
  await recordEvent(tx, {
    event: 'passkey.removed',
    organizationId: organization_id,
    accountId,
    facts: { passkey: id, name: row.name, by },
  });
}

/** All passkeys and recovery codes of an account: the next login enrols anew. Returns how many passkeys there were. */
export async function resetPasskeys(
  tx: Tx,
  { accountId, by }: { readonly accountId: string; readonly by: string },
  now: Date,
): Promise<number> {
  const passkeys = await passkeysOf(tx, accountId);
  for (const { id } of passkeys) await removePasskey(tx, { id, accountId, by }, now);
  await tx.deleteFrom('recovery_codes').where('account_id', '=', accountId).execute();
  return passkeys.length;
}

function passkeyOf(row: Selectable<PasskeyRow>): Passkey {
  return {
    id: row.id,
    accountId: row.account_id,
    credentialId: row.credential_id,
    publicKey: row.public_key,
    counter: Number(row.counter),
    transports: row.transports,
    model: row.model,
    backedUp: row.backed_up,
    name: row.name,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
  };
}
