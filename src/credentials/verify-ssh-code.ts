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
 * Wrong tries, that is, at one machine: of one account from one place, from one place, of one account, and all. In this
 * order, and none is counted by the next once one is used up: whoever tries out codes from one place stops nobody
 * elsewhere. Even the last is next to nothing of the 2^49 codes that there can be.
 */
const perPlace: Limit = { bucket: 'ssh-code-place', allowed: 5, windowSeconds: 300 };
const perSource: Limit = { bucket: 'ssh-code-source', allowed: 50, windowSeconds: 300 };
const perAccount: Limit = { bucket: 'ssh-code-account', allowed: 200, windowSeconds: 300 };
const perCompanion: Limit = { bucket: 'ssh-code-companion', allowed: 2_000, windowSeconds: 300 };

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
  const { account, target, source_address } = check;
  const { name: companion, organizationId } = await companionById(tx, companionId);
  const source = source_address === null ? 'unknown' : guesserOf(source_address);
  const here = [
    [perPlace, `${companionId}/${account}/${source}`],
    [perSource, `${companionId}/${source}`],
  ] as const;
  // What can't be a code, as the passwords that bots try, is nobody's guess.
  const guesses =
    readSshCode(check.code) === undefined
      ? here
      : [...here, [perAccount, `${companionId}/${account}`] as const];
  // Counted before the look: tries at the same moment come one after the other, each with its own number.
  const beyond = await countUntil(tx, guesses, now);
  // Told once: a flood of tries is none of the audit log.
  if (beyond !== undefined && beyond > 1) return { accepted: false };
  if (guesses !== here && beyond === undefined) await allowAttempt(tx, perCompanion, companionId, now);
  const found =
    beyond === undefined
      ? await useCode(tx, sealer, { companionId, organizationId, check }, now)
      : 'too_many_attempts';
  const facts = { companion, account, target, source_address };
  if (typeof found === 'string') {
    await recordEvent(tx, { event: 'ssh_code.refused', organizationId, facts: { code: found, ...facts } });
    return { accepted: false };
  }
  for (const [limit, key] of guesses) await forgiveAttempt(tx, limit, key, now);
  await forgiveAttempt(tx, perCompanion, companionId, now);
  await recordEvent(tx, {
    event: 'ssh_code.used',
    organizationId,
    accountId: found.known.of.id,
    sessionId: found.known.session.id,
    facts: { ...facts, uses_left: found.usesLeft },
  });
  return { accepted: true, session: statementOf(found) };
}

/** How far the first limit that is used up is exceeded; undefined: none is. */
async function countUntil(
  tx: Tx,
  limits: readonly (readonly [Limit, string])[],
  now: Date,
): Promise<number | undefined> {
  for (const [limit, key] of limits) {
    const { count } = await countAttempt(tx, limit, key, now);
    if (count > limit.allowed) return count - limit.allowed;
  }
  return undefined;
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
  const { account, target } = check;
  const characters = readSshCode(check.code);
  if (characters === undefined) return 'code_malformed';
  const targets = await targetsOfCompanion(tx, companionId);
  if (!targets.some(({ targetName }) => targetName === target)) return 'target_unknown';

  const hash = sshCodeHash(sealer.derive(sshCodeKeyPurpose), account, characters);
  const code = await tx
    .selectFrom('ssh_codes')
    .select(['session_id', 'target_name'])
    .where('code_hash', '=', hash)
    .where('uses_left', '>', 0)
    .where('expires_at', '>', now)
    .executeTakeFirst();
  if (code === undefined) return 'code_unknown';
  if (code.target_name !== null && code.target_name !== target) return 'code_for_another_target';
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
