/**
 * Rotating a CA key takes two steps, and one command for both: first the next generation is made, which everybody learns
 * to trust while it signs nothing; once they have, it signs, and the one before is trusted until its last certificate is
 * over. So at no moment does anybody meet a certificate by a key that they do not trust.
 */
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { fingerprint } from '../ssh/public-key.ts';
import { announceCaKeys, type CaKeyRecord, lockCaKeys, moveCaKey, readCaKeys } from './ca-key-store.ts';
import { signCanary } from './canary.ts';
import { type NextKey, type Wait, waitsOf } from './decide-rotation.ts';
import type { Purpose } from './issuing.ts';
import type { KeyFiles } from './key-files.ts';
import { readReadiness } from './readiness.ts';
import { proveSigner, registerCaKey } from './register-ca-key.ts';
import { unawareCompanions } from './unaware-companions.ts';

/** Who changes CA keys, with what. */
export interface CaKeyChange extends KeyFiles {
  readonly db: Database;
  readonly now: Date;
  /** For the audit trail: an account's name, or the command. */
  readonly by: string;
}

export interface Rotation {
  readonly purpose: Purpose;
  /** URI of the next generation's signer; undefined: a new key file. */
  readonly signer?: string | undefined;
  /** Do not wait for anybody. Logins fail at machines that don't know the key yet. */
  readonly now?: boolean | undefined;
}

export interface RotationOutcome {
  readonly did: 'created' | 'activated';
  readonly purpose: Purpose;
  readonly generation: number;
  /** Whom the next step waits for. */
  readonly waits: readonly Wait[];
}

/**
 * Makes the next generation, or lets it sign if it is there.
 * @throws ca_key_refused with who does not know the key yet; settings_invalid, file_refused, signer_failed
 */
export async function rotateCaKey(change: CaKeyChange, rotation: Rotation): Promise<RotationOutcome> {
  const { purpose, signer, now: atOnce = false } = rotation;
  const next = await nextOf(change.db, purpose);
  if (next !== undefined && signer !== undefined) {
    throw refused(
      `The ${purpose} CA has a next key already, generation ${next.generation} (${next.signer}). ` +
        `Let it sign: sallyport ca rotate ${purpose} - or take it back: sallyport ca retire ${purpose} ${next.generation}`,
    );
  }
  if (next === undefined) {
    const made = await makeNext(change, rotation);
    if (!atOnce) {
      return { did: 'created', purpose, generation: made.generation, waits: await waitsFor(change, made) };
    }
    return await activate(change, made, atOnce);
  }
  return await activate(change, next, atOnce);
}

/** The next generation of a purpose, if there is one. */
export async function nextOf(db: Database, purpose: Purpose): Promise<CaKeyRecord | undefined> {
  const keys = await readCaKeys(db);
  return keys.find((key) => key.purpose === purpose && key.state === 'next');
}

/** Whom a next key waits for. */
export async function waitsFor({ db, now }: Pick<CaKeyChange, 'db' | 'now'>, key: NextKey): Promise<Wait[]> {
  const unaware = await unawareCompanions(db, key, now);
  return waitsOf(key, { unaware, reports: await readReadiness(db) }, now);
}

/** @throws ca_key_refused if somebody else has just made one */
export async function makeNext(
  change: CaKeyChange,
  { purpose, signer: given }: Pick<Rotation, 'purpose' | 'signer'>,
): Promise<CaKeyRecord> {
  const { db, now, by } = change;
  const generation = generationAfter(await readCaKeys(db), purpose);
  // Outside the transaction: a signer may be far away, and a hung one must not hold the lock.
  const uri = given ?? (await change.createKey(purpose, generation));
  const signer = await change.openSigner(uri);
  try {
    await proveSigner(signer);
    const { publicKey } = signer;
    const canary = await signCanary(db, { purpose, generation, signer }, now);
    return await inTransaction(db, async (tx) => {
      await lockCaKeys(tx);
      const keys = await readCaKeys(tx);
      const isTaken = keys.some((key) => key.purpose === purpose && key.state === 'next');
      if (isTaken || generation !== generationAfter(keys, purpose)) {
        throw refused(`Somebody else has just changed the ${purpose} CA. Look again: sallyport ca status`);
      }
      const next = { purpose, generation, state: 'next', publicKey, uri, canary, by } as const;
      const id = await registerCaKey(tx, next, now);
      return await recordOf(tx, id);
    });
  } finally {
    await signer.close();
  }
}

function generationAfter(keys: readonly CaKeyRecord[], purpose: Purpose): number {
  const generations = keys.filter((key) => key.purpose === purpose).map(({ generation }) => generation);
  if (generations.length === 0) {
    throw refused(`There is no ${purpose} CA key yet. Make the first: sallyport ca init`);
  }
  return Math.max(...generations) + 1;
}

async function recordOf(tx: Tx, id: string): Promise<CaKeyRecord> {
  const record = (await readCaKeys(tx)).find((key) => key.id === id);
  if (record === undefined) throw refused('The CA key is gone. Look again: sallyport ca status');
  return record;
}

async function activate(change: CaKeyChange, next: CaKeyRecord, atOnce: boolean): Promise<RotationOutcome> {
  const { db, now, by } = change;
  const { purpose, generation } = next;
  const waits = await waitsFor(change, next);
  if (waits.length > 0 && !atOnce) throw notYet(next, waits);
  await proveByOpening(change, next);
  await inTransaction(db, async (tx) => {
    await lockCaKeys(tx);
    const present = await recordOf(tx, next.id);
    if (present.state !== 'next') {
      throw refused(`Somebody else has just changed the ${purpose} CA. Look again: sallyport ca status`);
    }
    await letSign(tx, next, { now, by });
  });
  return { did: 'activated', purpose, generation, waits };
}

/** Opens the key's signer here and has it sign. @throws settings_invalid, file_refused, signer_failed */
async function proveByOpening(
  { openSigner }: Pick<CaKeyChange, 'openSigner'>,
  { purpose, generation, publicKey, signer: uri }: CaKeyRecord,
): Promise<void> {
  const signer = await openSigner(uri);
  try {
    if (!signer.publicKey.equals(publicKey)) {
      throw new SallyportError(
        'settings_invalid',
        `${uri} holds ${fingerprint(signer.publicKey)}, but ${purpose} CA generation ${generation} is ` +
          `${fingerprint(publicKey)}.`,
      );
    }
    await proveSigner(signer);
  } finally {
    await signer.close();
  }
}

/** The key signs from the commit on; the one before it, if it still stands as active, retires. */
export async function letSign(
  tx: Tx,
  next: CaKeyRecord,
  { now, by }: Pick<CaKeyChange, 'now' | 'by'>,
): Promise<void> {
  const { purpose } = next;
  const stateVersion = await bumpStateVersion(tx, now, { krl: purpose !== 'host' });
  const before = (await readCaKeys(tx)).find((key) => key.purpose === purpose && key.state === 'active');
  if (before) {
    await moveCaKey(tx, before.id, { state: 'retiring', retiringAt: now, stateVersion });
    await recordEvent(tx, { event: 'ca_key.retiring', facts: factsOf(before, by) });
  }
  await moveCaKey(tx, next.id, { state: 'active', activatedAt: now, stateVersion });
  await recordEvent(tx, { event: 'ca_key.activated', facts: factsOf(next, by) });
  await announceCaKeys(tx);
}

/** What the audit trail says of a key. */
export function factsOf({ purpose, generation, publicKey }: CaKeyRecord, by: string) {
  return { purpose, generation, fingerprint: fingerprint(publicKey), by };
}

function notYet({ purpose, generation }: CaKeyRecord, waits: readonly Wait[]): SallyportError {
  return refused(
    `Generation ${generation} of the ${purpose} CA may not sign yet:${waits.map((wait) => `\n  ${waitText(wait)}`).join('')}\n` +
      `Wait and run again: sallyport ca rotate ${purpose} - or sign all the same, and lose logins there: ` +
      `sallyport ca rotate ${purpose} --now`,
  );
}

/** What a key waits for, as a person reads it. */
export function waitText(wait: Wait): string {
  switch (wait.kind) {
    case 'companion':
      return `${wait.name} does not trust it yet${wait.problem === null ? '' : `: ${wait.problem}`}`;
    case 'server':
      return `the server process ${wait.replica.slice(0, 8)} ${
        wait.problem === null ? 'has not opened it yet' : `can't sign with it: ${wait.problem}`
      }`;
    case 'helpers':
      return `helpers may not know it before ${wait.until.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  }
}

/** @see errors/codes.ts */
export function refused(message: string): SallyportError {
  return new SallyportError('ca_key_refused', message);
}
