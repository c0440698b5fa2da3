/**
 * A one-time code that somebody typed at a gateway or host. The companion asks for its own targets only, is told nothing
 * but yes or no, and with a yes what a certificate of the session would say; it decides with that as with a certificate.
 */
import type { SshCodeCheck, SshCodeVerdict } from '../api/ssh-codes.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { companionById } from '../inventory/companion.ts';
import { targetsOfCompanion } from '../inventory/target.ts';
import { allowAttempt, countAttempt, type Limit } from '../limits/count-attempt.ts';
import { forgiveAttempt } from '../limits/forgive-attempt.ts';
import { guesserOf } from '../limits/guesser-of.ts';
import { decideSshCode } from '../policy/decide-ssh-code.ts';
import type { Sealer } from '../secrets/seal.ts';
import { type KnownSshCodeFacts, sshCodeFacts } from './ssh-code-facts.ts';
import { readSshCode, sshCodeHash, sshCodeKeyPurpose } from './ssh-code-text.ts';

/**
 * Wrong tries, that is, at one machine: from one place, and all. None is counted by the second once the first is used up:
 * whoever tries out codes from one place stops nobody elsewhere. Not against guessing, of which 140 bits take care, but
 * so that nobody keeps the database busy with it.
 */
const perSource: Limit = { bucket: 'ssh-code-source', allowed: 50, windowSeconds: 300 };
const perCompanion: Limit = { bucket: 'ssh-code-companion', allowed: 2_000, windowSeconds: 300 };

/** As long as a certificate: for so long may the gateway begin sessions of the connection on the target. */
const useSeconds = 3_600;

export interface SshCodeAttempt {
  readonly companionId: string;
  readonly check: SshCodeCheck;
}

/** @throws too_many_attempts if the machine sends so many wrong ones that somebody must be trying them out */
export async function verifySshCode(
  tx: Tx,
  sealer: Sealer,
  { companionId, check }: SshCodeAttempt,
  now: Date,
): Promise<SshCodeVerdict> {
  const { target, source_address } = check;
  const { name: companion, organizationId } = await companionById(tx, companionId);
  const source = source_address === null ? 'unknown' : guesserOf(source_address);
  const fromHere = `${companionId}/${source}`;
  // Counted before the look: tries at the same moment come one after the other, each with its own number.
  const { count } = await countAttempt(tx, perSource, fromHere, now);
  // Told once: a flood of tries is none of the audit log.
  if (count > perSource.allowed + 1) return { accepted: false };
  // What can't be a code, as the passwords that bots try, is nobody's guess.
  const isGuess = count <= perSource.allowed && readSshCode(check.code) !== undefined;
  if (isGuess) await allowAttempt(tx, perCompanion, companionId, now);
  const found =
    count <= perSource.allowed
      ? await useCode(tx, sealer, { companionId, organizationId, check }, now)
      : 'too_many_attempts';
  const facts = { companion, target, source_address };
  if (typeof found === 'string') {
    await recordEvent(tx, { event: 'ssh_code.refused', organizationId, facts: { code: found, ...facts } });
    return { accepted: false };
  }
  await forgiveAttempt(tx, perSource, fromHere, now);
  await forgiveAttempt(tx, perCompanion, companionId, now);
  const use = await recordUse(tx, found, { companionId, target }, now);
  await recordEvent(tx, {
    event: 'ssh_code.used',
    organizationId,
    accountId: found.known.of.id,
    sessionId: found.known.session.id,
    facts: { ...facts, account: found.known.account.name, uses_left: found.usesLeft },
  });
  return { accepted: true, use, session: statementOf(found) };
}

/** What a request for a hop certificate names instead of the person's own certificate. */
async function recordUse(
  tx: Tx,
  { known: { session } }: Used,
  { companionId, target }: { readonly companionId: string; readonly target: string },
  now: Date,
): Promise<{ id: string; expires_at: number }> {
  const nowSeconds = Math.floor(now.getTime() / 1000);
  const expires_at = Math.min(nowSeconds + useSeconds, session.expiresAtSeconds);
  const { id } = await tx
    .insertInto('ssh_code_uses')
    .values({
      session_id: session.id,
      companion_id: companionId,
      target_name: target,
      used_at: now,
      expires_at: new Date(expires_at * 1000),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return { id, expires_at };
}

interface Used {
  readonly known: KnownSshCodeFacts;
  /** Whether the login counts as MFA now, by the organization's policy. */
  readonly mfa: boolean;
  readonly usesLeft: number;
}

/** Uses it up once, or says why not: for the audit log. */
async function useCode(
  tx: Tx,
  sealer: Sealer,
  { companionId, organizationId, check }: SshCodeAttempt & { readonly organizationId: string },
  now: Date,
): Promise<Used | string> {
  const { target } = check;
  const characters = readSshCode(check.code);
  if (characters === undefined) return 'code_malformed';
  const targets = await targetsOfCompanion(tx, companionId);
  if (!targets.some(({ targetName }) => targetName === target)) return 'target_unknown';

  const hash = sshCodeHash(sealer.derive(sshCodeKeyPurpose), characters);
  const code = await tx
    .selectFrom('ssh_codes')
    .select(['session_id', 'target_name'])
    .where('code_hash', '=', hash)
    .where('uses_left', '>', 0)
    .where('expires_at', '>', now)
    .executeTakeFirst();
  if (code === undefined) return 'code_unknown';
  if (code.target_name !== target) return 'code_for_another_target';
  const known = await sshCodeFacts(tx, code.session_id, now).catch(endedSession);
  if (known === undefined) return 'session_ended';
  if (known.of.organizationId !== organizationId) return 'target_unknown';
  const decision = decideSshCode(known, Math.floor(now.getTime() / 1000));
  if (!decision.allowed) return decision.reasons[0].code;

  // In one statement: of two at the same moment, a code's last use is one's.
  const used = await tx
    .updateTable('ssh_codes')
    .set((row) => ({ uses_left: row('uses_left', '-', 1) }))
    .where('code_hash', '=', hash)
    .where('uses_left', '>', 0)
    .returning('uses_left')
    .executeTakeFirst();
  return used === undefined ? 'code_unknown' : { known, mfa: decision.mfa, usesLeft: used.uses_left };
}

function endedSession(error: unknown): undefined {
  if (isSallyportError(error) && error.code === 'session_ended') return undefined;
  throw error;
}

type Statement = Extract<SshCodeVerdict, { accepted: true }>['session'];

/** As in a certificate: nothing of a second factor that does not count. */
function statementOf({ known, mfa }: Used): Statement {
  const { account, session } = known;
  const { amr, acr, authTimeSeconds, mfaBy, mfaMethods, mfaTimeSeconds } = session.assurance;
  return {
    account: account.name,
    organization: account.organization,
    session_id: session.id,
    mode: 'interactive',
    amr: [...amr],
    acr,
    auth_time: authTimeSeconds,
    mfa,
    mfa_by: mfa ? mfaBy : null,
    mfa_methods: mfa ? [...mfaMethods] : [],
    mfa_time: mfa ? mfaTimeSeconds : null,
    max_role: session.roleLimit,
    expires_at: session.expiresAtSeconds,
  };
}
