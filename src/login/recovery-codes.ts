/**
 * Recovery codes let a person without a passkey at hand enrol another one. A code is never a second factor itself: the
 * passkey that it lets enrol is. Each is good once; only keyed digests are stored.
 */
import { createHmac, randomInt } from 'node:crypto';
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { allowAttempt } from '../limits/count-attempt.ts';
import type { Sealer } from '../secrets/seal.ts';

const codesAtOnce = 10;
/** 80 bits each, without the letters that are read as others. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const codeLength = 16;

const guesses = { bucket: 'recovery-code', allowed: 5, windowSeconds: 3600 } as const;

/** Ten new codes; those before them are void. They are shown once and can't be read again. */
export async function replaceRecoveryCodes(
  tx: Tx,
  sealer: Sealer,
  { accountId, organizationId }: { readonly accountId: string; readonly organizationId: string },
  now: Date,
): Promise<readonly string[]> {
  await tx
    .deleteFrom('recovery_codes')
    .where('account_id', '=', accountId)
    .where('used_at', 'is', null)
    .execute();
  const codes = Array.from({ length: codesAtOnce }, newCode);
  await tx
    .insertInto('recovery_codes')
    .values(
      codes.map((code) => ({
        code_hash: digest(sealer, accountId, code),
        account_id: accountId,
        created_at: now,
      })),
    )
    .execute();
  const facts = { count: codes.length };
  await recordEvent(tx, { event: 'recovery_codes.created', organizationId, accountId, facts });
  return codes.map((code) => code.replace(/(.{4})(?=.)/g, '$1-'));
}

/** How many codes are left. */
export async function countRecoveryCodes(db: Database, accountId: string): Promise<number> {
  const { count } = await db
    .selectFrom('recovery_codes')
    .select((row) => row.fn.countAll<string>().as('count'))
    .where('account_id', '=', accountId)
    .where('used_at', 'is', null)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** Counts one guess, whatever becomes of it; not in the transaction of the guess. @throws too_many_attempts */
export async function allowRecoveryGuess(db: Database, accountId: string, now: Date): Promise<void> {
  await allowAttempt(db, guesses, accountId, now);
}

/** Uses a code up. One statement: of two with the same code, one is refused. @throws recovery_code_refused */
export async function useRecoveryCode(
  tx: Tx,
  sealer: Sealer,
  used: {
    readonly accountId: string;
    readonly organizationId: string;
    readonly code: string;
    readonly clientAddress: string;
  },
  now: Date,
): Promise<void> {
  const { accountId, organizationId, code, clientAddress } = used;
  const row = await tx
    .updateTable('recovery_codes')
    .set({ used_at: now })
    .where('code_hash', '=', digest(sealer, accountId, canonical(code)))
    .where('account_id', '=', accountId)
    .where('used_at', 'is', null)
    .returning('account_id')
    .executeTakeFirst();
  if (row === undefined) {
    throw new SallyportError(
      'recovery_code_refused',
      'This is none of your recovery codes, or it was used before. Each works once; try another one.',
    );
  }
  const left = await countRecoveryCodes(tx, accountId);
  const facts = { client_address: clientAddress, left };
  await recordEvent(tx, { event: 'recovery_code.used', organizationId, accountId, facts });
}

function newCode(): string {
  return Array.from({ length: codeLength }, () => alphabet[randomInt(alphabet.length)]).join('');
}

/** As people type it: with other separators, in capitals, with letters that look alike. */
function canonical(code: string): string {
  return code
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .replace(/o/g, '0')
    .replace(/[il]/g, '1');
}

function digest(sealer: Sealer, accountId: string, code: string): Buffer {
  return createHmac('sha256', sealer.derive('recovery codes')).update(`${accountId}/${code}`).digest();
}
