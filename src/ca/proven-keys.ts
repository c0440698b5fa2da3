/**
 * Keys that are certified again and again because they cannot be made anew each time: in security keys, TPMs, smart cards.
 * Each renewal would ask for a touch, so what a login has proven once is kept as long as the login itself.
 */
import { sql } from 'kysely';
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import type { KeyFacts } from '../policy/facts.ts';
import { isSecurityKey } from '../ssh/key-types.ts';
import { checkPublicKeyBlob, fingerprint } from '../ssh/public-key.ts';
import { authorityDigest } from '../ssh/sk-attestation.ts';

export interface KeyOfSession {
  readonly sessionId: string;
  readonly accountId: string;
  /** SSH public key blob. */
  readonly publicKey: Buffer;
}

/** What is remembered of a key. */
export interface RememberedKey {
  /** Undefined: this session has not proven it. */
  readonly proof: { readonly userVerified: boolean } | undefined;
  /** The AAGUID that an authority of the organization's has vouched for. */
  readonly attestedModel: string | null;
  /** Those authorities, PEM. */
  readonly authorities: readonly string[];
}

/** What is known of the keys, with one statement. */
export async function rememberedKeys<Key extends KeyOfSession>(
  tx: Tx,
  keys: readonly Key[],
): Promise<ReadonlyMap<Key, RememberedKey>> {
  if (keys.length === 0) return new Map();
  const { rows } = await sql<{
    number: string;
    user_verified: boolean | null;
    model: string | null;
    authority: string | null;
    hardware_authorities: string[];
  }>`
    select asked.number, proven_keys.user_verified, attested_keys.model, attested_keys.authority,
      organizations.hardware_authorities
    from unnest(
      ${keys.map(({ sessionId }) => sessionId)}::uuid[],
      ${keys.map(({ accountId }) => accountId)}::uuid[],
      ${keys.map(({ publicKey }) => publicKey)}::bytea[]
    ) with ordinality as asked (session_id, account_id, public_key, number)
    join accounts on accounts.id = asked.account_id
    join organizations on organizations.id = accounts.organization_id
    left join proven_keys using (session_id, public_key)
    left join attested_keys
      on attested_keys.account_id = asked.account_id and attested_keys.public_key = asked.public_key
  `.execute(tx);
  const found = new Map<Key, RememberedKey>();
  for (const { number, user_verified, model, authority, hardware_authorities } of rows) {
    const key = keys[Number(number) - 1];
    if (key === undefined) continue;
    const isVouched =
      authority !== null && hardware_authorities.some((pem) => authorityDigest(pem) === authority);
    found.set(key, {
      proof: user_verified === null ? undefined : { userVerified: user_verified },
      attestedModel: isVouched ? model : null,
      authorities: hardware_authorities,
    });
  }
  return found;
}

/** A proof of now counts for the rest of the session, in place of an earlier one. */
export async function rememberProof(
  tx: Tx,
  {
    sessionId,
    publicKey,
    userVerified,
  }: Pick<KeyOfSession, 'sessionId' | 'publicKey'> & { userVerified: boolean },
  now: Date,
): Promise<void> {
  await tx
    .insertInto('proven_keys')
    .values({ session_id: sessionId, public_key: publicKey, user_verified: userVerified, proven_at: now })
    .onConflict((conflict) =>
      conflict
        .columns(['session_id', 'public_key'])
        .doUpdateSet({ user_verified: userVerified, proven_at: now }),
    )
    .execute();
}

export async function rememberAttestation(
  tx: Tx,
  attested: KeyOfSession & {
    readonly organizationId: string;
    readonly model: string;
    readonly authority: string;
  },
  now: Date,
): Promise<void> {
  const { sessionId, accountId, organizationId, publicKey, model, authority } = attested;
  const row = { model, authority: authorityDigest(authority), attested_at: now };
  await tx
    .insertInto('attested_keys')
    .values({ account_id: accountId, public_key: publicKey, ...row })
    .onConflict((conflict) => conflict.columns(['account_id', 'public_key']).doUpdateSet(row))
    .execute();
  await recordEvent(tx, {
    event: 'ssh_key.attested',
    organizationId,
    accountId,
    sessionId,
    facts: { fingerprint: fingerprint(publicKey), model, authority: row.authority },
  });
}

/** The key that a login proved last and is certified for; undefined if it keeps none. */
export async function keptKeyOf(
  tx: Tx,
  { sessionId, accountId }: Omit<KeyOfSession, 'publicKey'>,
): Promise<KeyFacts | undefined> {
  const row = await tx
    .selectFrom('proven_keys')
    .select('public_key')
    .where('session_id', '=', sessionId)
    .orderBy('proven_at', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const key = { sessionId, accountId, publicKey: row.public_key };
  const remembered = (await rememberedKeys(tx, [key])).get(key);
  return {
    isSecurityKey: isSecurityKey(checkPublicKeyBlob(row.public_key)),
    userVerified: remembered?.proof?.userVerified ?? false,
    attestedModel: remembered?.attestedModel ?? null,
  };
}
