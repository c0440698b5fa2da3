/** Whose public keys are nobody's to certify: CAs', machines', other people's, and those of an ended login. */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { reasonsBesideKey } from '../revocation/revoke-certificates.ts';

const makeAnother = 'Make a new key: ssh-keygen -t ed25519';

export interface SubjectKey {
  /** SSH public key blob. */
  readonly publicKey: Buffer;
  /** Whose certificate it is to be in. */
  readonly accountId: string;
}

interface Found {
  readonly number: string;
  readonly of_machine: boolean;
  readonly of_other: boolean;
  readonly was_revoked: boolean;
}

/** Begins the advisory locks of keys; the number means nothing but must stay the same. */
const subjectKeyLock = 0x5a11_7002;

/**
 * Why a key may not become the subject of a certificate of its account, for those of which that is so:
 * key_reserved or key_revoked. That stays true until the end of the transaction: whoever asks about the same key waits
 * for it, on another replica too.
 */
export async function subjectKeyFaults<Subject extends SubjectKey>(
  tx: Tx,
  subjects: readonly Subject[],
): Promise<ReadonlyMap<Subject, SallyportError>> {
  if (subjects.length === 0) return new Map();
  await lockKeys(tx, subjects);
  const { rows } = await sql<Found>`
    with subject as (
      select * from unnest(
        ${subjects.map(({ publicKey }) => publicKey)}::bytea[],
        ${subjects.map(({ accountId }) => accountId)}::uuid[]
      ) with ordinality as subject (public_key, account_id, number)
    ),
    earlier as (
      select subject.number, certificates.serial, certificates.kind,
        certificates.account_id <> subject.account_id as of_other,
        login_sessions.ended_at < certificates.valid_before as died_with_session,
        -- A key in hardware cannot be made anew: it outlives its person's own logout, by which it came into nobody's hands.
        login_sessions.ended_reason = 'logout' and exists (
          select from proven_keys
          where proven_keys.session_id = login_sessions.id and proven_keys.public_key = subject.public_key
        ) as is_kept
      from subject
      join certificates using (public_key)
      left join login_sessions on login_sessions.id = certificates.session_id
    )
    select number,
      exists (select from ca_keys where ca_keys.public_key = subject.public_key)
        or exists (select from companions where companions.host_key = subject.public_key)
        or exists (select from earlier where earlier.number = subject.number and kind <> 'user') as of_machine,
      exists (select from earlier where earlier.number = subject.number and of_other)
        or exists (
          select from registered_keys
          where registered_keys.public_key = subject.public_key
            and registered_keys.account_id <> subject.account_id
        ) as of_other,
      exists (
        select from earlier
        where earlier.number = subject.number and died_with_session and is_kept is not true
      )
        or exists (
          select from registered_keys
          join login_sessions on login_sessions.id = registered_keys.session_id
          where registered_keys.public_key = subject.public_key
            and login_sessions.ended_at < registered_keys.expires_at
        )
        or exists (
          select from earlier join revoked_serials using (serial)
          where earlier.number = subject.number and is_kept is not true
            and revoked_serials.reason <> all(${Object.values(reasonsBesideKey)}::text[])
        ) as was_revoked
    from subject
  `.execute(tx);
  const byNumber = new Map(rows.map((row) => [Number(row.number), row]));
  const faults = new Map<Subject, SallyportError>();
  subjects.forEach((subject, index) => {
    const fault = faultOf(byNumber.get(index + 1));
    if (fault) faults.set(subject, fault);
  });
  return faults;
}

/**
 * Two accounts that hold one private key could otherwise ask in the same instant, and neither would see the other's
 * certificate. A statement of its own: the next one sees what whoever was waited for has stored. A lock is a number of
 * 32 bits; two keys that share one wait for each other in vain, which does no harm.
 */
async function lockKeys(tx: Tx, subjects: readonly SubjectKey[]): Promise<void> {
  const numbers = subjects.map(({ publicKey }) =>
    createHash('sha256').update(publicKey).digest().readInt32BE(),
  );
  // Everybody in the same order, so that no two groups wait for each other.
  const inOrder = [...new Set(numbers)].sort((a, b) => a - b);
  await sql`
    select pg_advisory_xact_lock(${subjectKeyLock}::integer, number) from unnest(${inOrder}::integer[]) as number
  `.execute(tx);
}

function faultOf(found: Found | undefined): SallyportError | undefined {
  if (!found || found.of_machine) {
    return new SallyportError(
      'key_reserved',
      `The key is a machine's or a certificate authority's own. ${makeAnother}`,
    );
  }
  if (found.of_other) {
    return new SallyportError('key_reserved', `The key belongs to another account. ${makeAnother}`);
  }
  if (found.was_revoked) {
    return new SallyportError(
      'key_revoked',
      `A certificate of this key, or the key itself, was revoked. ${makeAnother}`,
    );
  }
  return undefined;
}
