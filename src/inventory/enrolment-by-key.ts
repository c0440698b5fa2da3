/**
 * How a machine enrols by the host key that it has already: its fingerprint is registered beforehand, and the key signs a
 * nonce that was given to it (OPENSSH.md rule 12). Which companion that makes it is the operator's word, never its own.
 */
import { randomBytes } from 'node:crypto';
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { tokenHash } from '../secrets/token.ts';
import { explained } from './broken-constraint.ts';
import { type Companion, companionById, companionOf, noCompanion } from './companion.ts';

const nonceLifeSeconds = 300;
/** Anybody may ask who has seen the machine's public key; more than this at once helps nobody. */
const mostNonces = 50;

/** A machine that asks: which one it was told to become, and the fingerprint of its key. */
interface Claimed {
  readonly name: string;
  readonly fingerprint: string;
}

/**
 * Says which host key may enrol as the machine, once. A key that was a revoked machine's may be another's; organizations
 * know nothing of each other's.
 * @throws not_found, also for a revoked machine; enrolment_refused if it is enrolled; name_refused, name_taken
 */
export async function registerFingerprint(tx: Tx, companionId: string, fingerprint: string): Promise<void> {
  if (!/^SHA256:[A-Za-z0-9+/]{43}$/.test(fingerprint)) {
    throw new SallyportError(
      'name_refused',
      `${JSON.stringify(fingerprint)} is not a fingerprint. Run on the machine: ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub, and give the part that begins with SHA256:.`,
    );
  }
  const companion = await companionById(tx, companionId);
  if (companion.revokedAt !== null) throw noCompanion();
  if (companion.enrolledAt !== null) {
    throw new SallyportError(
      'enrolment_refused',
      `${companion.name} is enrolled already. A machine in its place enrols with a token: sallyport enrolment-token ${companion.name}`,
    );
  }
  await tx
    .updateTable('companions')
    .set({ host_fingerprint: null })
    .where('organization_id', '=', companion.organizationId)
    .where('host_fingerprint', '=', fingerprint)
    .where('revoked_at', 'is not', null)
    .execute();
  await explained(
    tx
      .updateTable('companions')
      .set({ host_fingerprint: fingerprint })
      .where('id', '=', companionId)
      .execute(),
  );
  await recordEvent(tx, {
    event: 'companion.fingerprint_registered',
    organizationId: companion.organizationId,
    facts: { companion: companion.name, fingerprint },
  });
}

/** A nonce for whoever claims to have the key. It looks the same for a key that nobody registered, and is worth nothing then. */
export async function createEnrolmentNonce(
  tx: Tx,
  { name, fingerprint }: Claimed,
  now: Date,
): Promise<{ readonly nonce: string; readonly lifeSeconds: number }> {
  const nonce = randomBytes(32).toString('base64url');
  const given = { nonce, lifeSeconds: nonceLifeSeconds };
  const open = await tx
    .selectFrom('companions')
    .select('id')
    .where('name', '=', name)
    .where('host_fingerprint', '=', fingerprint)
    .where('enrolled_at', 'is', null)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  if (open === undefined) return given;
  await forgetOld(tx, open.id, now);
  await tx
    .insertInto('enrolment_nonces')
    .values({
      nonce_hash: tokenHash(nonce),
      companion_id: open.id,
      expires_at: new Date(now.getTime() + nonceLifeSeconds * 1_000),
    })
    .execute();
  return given;
}

/**
 * Uses the nonce up: of any number of callers at once exactly one gets the companion, unless its transaction rolls back.
 * Name and key are those under the signature.
 * @throws enrolment_refused, the same whatever is wrong
 */
export async function consumeEnrolmentNonce(
  tx: Tx,
  { nonce, name, fingerprint }: Claimed & { readonly nonce: string },
  now: Date,
): Promise<Companion> {
  const used = await tx
    .updateTable('enrolment_nonces')
    .set({ used_at: now })
    .where('nonce_hash', '=', tokenHash(nonce))
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .returning('companion_id')
    .executeTakeFirst();
  if (used) {
    const row = await tx
      .selectFrom('companions')
      .selectAll()
      .where('id', '=', used.companion_id)
      .where('name', '=', name)
      .where('host_fingerprint', '=', fingerprint)
      .where('enrolled_at', 'is', null)
      .where('revoked_at', 'is', null)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (row) return companionOf(row);
  }
  throw new SallyportError(
    'enrolment_refused',
    'No machine of this name is waiting to be enrolled by this host key. An operator registers its fingerprint with: sallyport enrolment-fingerprint NAME SHA256:... (ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub shows it)',
  );
}

/** Expired ones are refused whether they are there or not; of the others the newest stay. */
async function forgetOld(tx: Tx, companionId: string, now: Date): Promise<void> {
  await tx
    .deleteFrom('enrolment_nonces')
    .where('companion_id', '=', companionId)
    .where((nonce) =>
      nonce.or([
        nonce('expires_at', '<=', now),
        nonce(
          'nonce_hash',
          'in',
          nonce
            .selectFrom('enrolment_nonces as older')
            .select('older.nonce_hash')
            .where('older.companion_id', '=', companionId)
            .orderBy('older.expires_at', 'desc')
            .offset(mostNonces - 1),
        ),
      ]),
    )
    .execute();
}
