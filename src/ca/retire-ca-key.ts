/**
 * The end of a CA key: by itself when nothing that it has signed can be valid any more, or at once because somebody else
 * has it. Then companions drop it and their KRL names the key itself, so that whatever it signs, with serials that the
 * CA never gave too, is refused from the push on.
 */
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import {
  announceCaKeys,
  type CaKeyRecord,
  lastExpiry,
  lockCaKeyRow,
  lockCaKeys,
  moveCaKey,
  readCaKeys,
} from './ca-key-store.ts';
import { retirableAt } from './decide-rotation.ts';
import type { Purpose } from './issuing.ts';
import { type CaKeyChange, factsOf, letSign, makeNext, nextOf, refused } from './rotate-ca-key.ts';

export interface Retirement {
  readonly purpose: Purpose;
  readonly generation: number;
  /** Somebody else has, or may have, the private key. */
  readonly compromised?: boolean | undefined;
  /** URI of the signer to go on with if there is no next key; undefined: a new key file. */
  readonly signer?: string | undefined;
}

export interface RetirementOutcome {
  readonly purpose: Purpose;
  readonly generation: number;
  readonly compromised: boolean;
  /** The generation that signs instead from now on; null if that did not change. */
  readonly replacedBy: number | null;
  /** State version that companions acknowledge when they have dropped the key. */
  readonly stateVersion: bigint;
}

/**
 * Ends a key: a next one that is not wanted after all, a retiring one whose last certificate is over, or, compromised,
 * any of them.
 * @throws ca_key_refused with what must happen first; not_found
 */
export async function retireCaKey(change: CaKeyChange, retirement: Retirement): Promise<RetirementOutcome> {
  const { purpose, generation, compromised = false } = retirement;
  const { db } = change;
  const key = await find(db, purpose, generation);
  if (compromised && key.state === 'active' && (await nextOf(db, purpose)) === undefined) {
    await makeNext(change, retirement);
  }
  return await inTransaction(db, async (tx) => {
    await lockCaKeys(tx);
    const present = await find(tx, purpose, generation);
    if (compromised) return await retireCompromised(tx, present, change);
    await requireRetirable(tx, present, change.now);
    const stateVersion = await retire(tx, present, change);
    return { purpose, generation, compromised, replacedBy: null, stateVersion };
  });
}

/** Ends every retiring key whose last certificate is over; what the sweep does. Returns how many. */
export async function retireExpired(db: Database, now: Date): Promise<number> {
  const retiring = (await readCaKeys(db)).filter(({ state }) => state === 'retiring');
  if (retiring.length === 0) return 0;
  return await inTransaction(db, async (tx) => {
    await lockCaKeys(tx);
    let ended = 0;
    for (const key of await readCaKeys(tx)) {
      if (key.state !== 'retiring' || (await endOf(tx, key, now)) > now) continue;
      // Once more with everything that was being stored meanwhile, as by a server that had slept through the rotation.
      await lockCaKeyRow(tx, key.id);
      if ((await endOf(tx, key, now)) > now) continue;
      await retire(tx, key, { now, by: 'sweep' });
      ended += 1;
    }
    return ended;
  });
}

/** When a retiring key can be retired. */
export async function endOf(db: Database, { id, retiringAt }: CaKeyRecord, now: Date): Promise<Date> {
  return retirableAt({ retiringAt: retiringAt ?? now, lastExpiry: await lastExpiry(db, id) });
}

async function find(db: Database, purpose: Purpose, generation: number): Promise<CaKeyRecord> {
  const key = (await readCaKeys(db)).find(
    (each) => each.purpose === purpose && each.generation === generation,
  );
  if (key) return key;
  throw refused(`The ${purpose} CA has no generation ${generation}. Look: sallyport ca status`);
}

async function requireRetirable(tx: Tx, key: CaKeyRecord, now: Date): Promise<void> {
  const { purpose, generation, state } = key;
  if (state === 'next') return;
  if (state === 'active') {
    throw refused(
      `Generation ${generation} of the ${purpose} CA signs. Let the next one sign first: sallyport ca rotate ${purpose}` +
        ' - or, if somebody else has the key, add --compromised',
    );
  }
  await lockCaKeyRow(tx, key.id);
  if (state === 'retired') throw refused(`Generation ${generation} of the ${purpose} CA is retired already.`);
  const end = await endOf(tx, key, now);
  if (end <= now) return;
  throw refused(
    `Certificates by generation ${generation} of the ${purpose} CA may be valid until ` +
      `${end.toISOString().slice(0, 16).replace('T', ' ')} UTC; it retires by itself then. ` +
      'If somebody else has the key, add --compromised',
  );
}

async function retire(
  tx: Tx,
  key: CaKeyRecord,
  { now, by }: Pick<CaKeyChange, 'now' | 'by'>,
): Promise<bigint> {
  const stateVersion = await bumpStateVersion(tx, now, { krl: key.purpose !== 'host' });
  await moveCaKey(tx, key.id, { state: 'retired', retiredAt: now, stateVersion });
  await recordEvent(tx, { event: 'ca_key.retired', facts: factsOf(key, by) });
  await announceCaKeys(tx);
  return stateVersion;
}

async function retireCompromised(
  tx: Tx,
  key: CaKeyRecord,
  { now, by }: CaKeyChange,
): Promise<RetirementOutcome> {
  const { purpose, generation, state, compromisedAt } = key;
  if (compromisedAt !== null) {
    throw refused(`Generation ${generation} of the ${purpose} CA is known as compromised already.`);
  }
  let replacedBy: number | null = null;
  if (state === 'active') {
    const next = await nextOf(tx, purpose);
    if (next === undefined) {
      throw refused(`Somebody else has just changed the ${purpose} CA. Look again: sallyport ca status`);
    }
    await letSign(tx, next, { now, by });
    replacedBy = next.generation;
  }
  const stateVersion = await bumpStateVersion(tx, now, { krl: purpose !== 'host' });
  await moveCaKey(tx, key.id, {
    state: 'retired',
    retiredAt: key.retiredAt ?? now,
    compromisedAt: now,
    stateVersion,
  });
  await recordEvent(tx, { event: 'ca_key.compromised', facts: factsOf(key, by) });
  if (state !== 'retired') await recordEvent(tx, { event: 'ca_key.retired', facts: factsOf(key, by) });
  await announceCaKeys(tx);
  return { purpose, generation, compromised: true, replacedBy, stateVersion };
}
