/** Whose public keys are nobody's to certify: CAs', machines', other people's, and those of an ended login. */
import { sql } from 'kysely';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

const makeAnother = 'Make a new key: ssh-keygen -t ed25519';

/**
 * Throws unless the key may become the subject of a certificate of this account.
 * @throws key_reserved, key_revoked
 */
export async function checkSubjectKey(tx: Tx, publicKey: Buffer, accountId: string): Promise<void> {
  const { rows } = await sql<{ of_machine: boolean; of_other: boolean; was_revoked: boolean }>`
    with earlier as (
      select certificates.serial, certificates.kind, certificates.account_id,
        login_sessions.ended_at < certificates.valid_before as died_with_session
      from certificates left join login_sessions on login_sessions.id = certificates.session_id
      where certificates.public_key = ${publicKey}
    )
    select
      exists (select from ca_keys where public_key = ${publicKey})
        or exists (select from companions where host_key = ${publicKey})
        or exists (select from earlier where kind <> 'user') as of_machine,
      exists (select from earlier where account_id <> ${accountId}) as of_other,
      exists (select from earlier where died_with_session)
        or exists (select from earlier join revoked_serials using (serial)) as was_revoked
  `.execute(tx);
  const found = rows[0];
  if (!found || found.of_machine) {
    throw new SallyportError(
      'key_reserved',
      `The key is a machine's or a certificate authority's own. ${makeAnother}`,
    );
  }
  if (found.of_other) {
    throw new SallyportError('key_reserved', `The key belongs to another account. ${makeAnother}`);
  }
  if (found.was_revoked) {
    throw new SallyportError('key_revoked', `A certificate of this key was revoked. ${makeAnother}`);
  }
}
