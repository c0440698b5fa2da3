/**
 * Proof that whoever asks for a certificate holds the private key: an SSHSIG over a nonce of ours and the login session.
 * Without it one person could have another's public key certified under their own name.
 */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { type Possession, type PossessionChallenge, possessionMessage } from '../api/certificates.ts';
import type { Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { tokenHash } from '../secrets/token.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import type { VerifiedSignature } from '../ssh/signature.ts';
import { verifySshsig } from '../ssh/sshsig.ts';
import type { Issuing } from './issuing.ts';

const challengeLifeSeconds = 300;

/** A nonce for one key of this session. @throws session_ended */
export async function createChallenge(
  { db, domain, clock }: Issuing,
  sessionId: string,
): Promise<PossessionChallenge> {
  const now = clock();
  const challenge = randomBytes(32).toString('base64url');
  await inTransaction(db, async (tx) => {
    // Not flushed to disk: a challenge that a crash forgets is refused, and whoever has it asks for another. That it was
    // used is written by the transaction that stores the certificate, which is.
    await sql`set local synchronous_commit = off`.execute(tx);
    await lockLiveSession(tx, sessionId, 'share', now);
    await forgetExpired(tx, now);
    await tx
      .insertInto('possession_challenges')
      .values({
        challenge_hash: tokenHash(challenge),
        session_id: sessionId,
        expires_at: new Date(now.getTime() + challengeLifeSeconds * 1000),
      })
      .execute();
  });
  return { challenge, namespace: namespaceOf(domain), expires_in_seconds: challengeLifeSeconds };
}

/** Throws unless the key signed this session's challenge. Pure: whether the challenge is good is consumeChallenges'. */
export function verifyPossession(proof: {
  readonly publicKeyBlob: Buffer;
  readonly sessionId: string;
  readonly domain: string;
  readonly possession: Possession;
}): VerifiedSignature {
  const { sessionId, possession } = proof;
  return verifyAnswer({ ...proof, message: possessionMessage(sessionId, possession.challenge) });
}

/** The same of a message that says what else the key is for. */
export function verifyAnswer(proof: {
  readonly publicKeyBlob: Buffer;
  readonly domain: string;
  readonly message: Buffer;
  readonly possession: Possession;
}): VerifiedSignature {
  const { publicKeyBlob, domain, message, possession } = proof;
  const namespace = namespaceOf(domain);
  try {
    return verifySshsig({ message, namespace, publicKeyBlob, armored: possession.signature });
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    throw unproven(error.message, error.detail);
  }
}

/** A session's answer to one of its challenges. */
export interface AnsweredChallenge {
  readonly sessionId: string;
  readonly challenge: string;
}

/**
 * Uses the challenges up, each by compare-and-set: whoever comes second with one is not among those returned.
 * Refuse them with challengeRefused().
 */
export async function consumeChallenges<Answer extends AnsweredChallenge>(
  tx: Tx,
  answers: readonly Answer[],
  now: Date,
): Promise<ReadonlySet<Answer>> {
  if (answers.length === 0) return new Set();
  const hashes = answers.map(({ challenge }) => tokenHash(challenge));
  const { rows } = await sql<{ challenge_hash: Buffer; session_id: string }>`
    update possession_challenges set used_at = ${now}
    where (challenge_hash, session_id) in (
        select * from unnest(${hashes}::bytea[], ${answers.map(({ sessionId }) => sessionId)}::uuid[])
      )
      and used_at is null and expires_at > ${now}
    returning challenge_hash, session_id
  `.execute(tx);
  const used = new Set(rows.map((row) => `${row.session_id} ${row.challenge_hash.toString('hex')}`));
  return new Set(
    answers.filter(({ sessionId }, index) => used.has(`${sessionId} ${hashes[index]?.toString('hex')}`)),
  );
}

export function challengeRefused(): SallyportError {
  return unproven(
    'The challenge is not known, was used before, is over 5 minutes old or is of another login session.',
  );
}

/** A few at a time; an expired challenge is refused whether it is still there or not. */
async function forgetExpired(tx: Tx, now: Date): Promise<void> {
  await tx
    .deleteFrom('possession_challenges')
    .where('challenge_hash', 'in', (from) =>
      from
        .selectFrom('possession_challenges')
        .select('challenge_hash')
        .where('expires_at', '<', now)
        .limit(100)
        .forUpdate()
        .skipLocked(),
    )
    .execute();
}

/** @throws where a key was not proven in its session, which only a request with a proof can be told to do */
export function proofNeeded(): SallyportError {
  return unproven('This login has not proven yet that it holds the key.');
}

function namespaceOf(domain: string): string {
  return `pop@${domain}`;
}

function unproven(why: string, detail?: string): SallyportError {
  return new SallyportError(
    'key_possession_unproven',
    `${why} Ask for a new challenge and sign it with the key to be certified.`,
    detail === undefined ? {} : { detail },
  );
}
