/** `sallyport ca init|status|rotate|retire`: what an operator does with the CA keys. */
import { setTimeout as wait } from 'node:timers/promises';
import { caStatus } from '../ca/ca-status.ts';
import { registerFirstGenerations } from '../ca/first-generations.ts';
import { type Purpose, purposes } from '../ca/issuing.ts';
import { type FirstSigners, firstSigners, type KeyFiles, keyFiles } from '../ca/key-files.ts';
import { type Retirement, retireCaKey } from '../ca/retire-ca-key.ts';
import {
  type CaKeyChange,
  nextOf,
  type Rotation,
  rotateCaKey,
  waitsFor,
  waitText,
} from '../ca/rotate-ca-key.ts';
import { unawareCompanions } from '../ca/unaware-companions.ts';
import type { Database } from '../database/database.ts';
import { migrateToLatest } from '../database/migrate.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { initText, retireText, rotateText, statusText } from './ca-text.ts';
import { withDatabase } from './with-database.ts';

export interface CaSurroundings {
  readonly environment: NodeJS.ProcessEnv;
  readonly stdout: NodeJS.WritableStream;
}

/** Who changed a key, in the audit trail. */
const by = 'sallyport ca';
/** Machines and servers that are online have heard within a fraction of this. */
const patience = { rounds: 12, milliseconds: 250 } as const;

/** Registers the first generations that there are none of; key files are made where no other signer is named. */
export async function runCaInit(
  given: Readonly<Partial<Record<Purpose, string>>>,
  { environment, stdout }: CaSurroundings,
): Promise<void> {
  const keys = keysOf(environment);
  await withDatabase(environment, async ({ db }) => {
    await migrateToLatest(db);
    const before = (await caStatus(db, new Date())).keys;
    for (const purpose of purposes) {
      const isThere = before.some((key) => key.purpose === purpose);
      if (isThere && given[purpose] !== undefined) {
        throw new SallyportError(
          'ca_key_refused',
          `The ${purpose} CA has a key already. To change it: sallyport ca rotate ${purpose} --signer ${given[purpose]}`,
        );
      }
      if (!isThere && given[purpose] === undefined) await keys.createKey(purpose, 1);
    }
    const signers: FirstSigners = { ...firstSigners, ...given };
    await registerFirstGenerations(db, { ...keys, firstSigners: signers }, new Date());
    const { keys: after } = await caStatus(db, new Date());
    stdout.write(initText(after.filter(({ purpose }) => before.every((key) => key.purpose !== purpose))));
  });
}

/** Prints how every generation stands. */
export async function runCaStatus(
  { json = false }: { json?: boolean },
  { environment, stdout }: CaSurroundings,
): Promise<void> {
  await withDatabase(environment, async ({ db }) => {
    await migrateToLatest(db);
    const status = await caStatus(db, new Date());
    stdout.write(json ? `${JSON.stringify(status, null, 2)}\n` : statusText(status));
  });
}

/** Makes the next generation, or lets it sign. */
export async function runCaRotate(
  rotation: Rotation,
  { environment, stdout }: CaSurroundings,
): Promise<void> {
  await withChange(environment, async (change) => {
    const { did, purpose, generation, waits } = await rotateCaKey(change(), rotation);
    const remaining = did === 'created' ? await waitForNext(change, purpose) : waits.map(waitText);
    stdout.write(rotateText({ did, purpose, generation, waits_for: remaining }));
  });
}

/** Ends a key, and says which machines have not heard of it. */
export async function runCaRetire(
  retirement: Retirement,
  { environment, stdout }: CaSurroundings,
): Promise<void> {
  await withChange(environment, async (change) => {
    const { stateVersion, replacedBy, ...done } = await retireCaKey(change(), retirement);
    const read = () => unawareCompanions(change().db, { purpose: done.purpose, stateVersion }, new Date());
    const behind = done.compromised ? await untilEmpty(read) : [];
    stdout.write(
      retireText(
        { ...done, replaced_by: replacedBy },
        behind.map(({ name, problem }) => `${name}${problem === null ? '' : `: ${problem}`}`),
      ),
    );
  });
}

async function waitForNext(change: () => CaKeyChange, purpose: Purpose): Promise<string[]> {
  const read = async () => {
    const next = await nextOf(change().db, purpose);
    return next === undefined ? [] : await waitsFor(change(), next);
  };
  // Time passes for helpers; machines and servers answer.
  await untilEmpty(async () => (await read()).filter(({ kind }) => kind !== 'helpers'));
  return (await read()).map(waitText);
}

/** Asks again for a few seconds: most of those that are waited for answer at once. */
async function untilEmpty<T>(read: () => Promise<T[]>): Promise<T[]> {
  for (let left: number = patience.rounds; ; left -= 1) {
    const found = await read();
    if (found.length === 0 || left === 0) return found;
    await wait(patience.milliseconds);
  }
}

async function withChange(
  environment: NodeJS.ProcessEnv,
  work: (change: () => CaKeyChange) => Promise<void>,
): Promise<void> {
  const keys = keysOf(environment);
  await withDatabase(environment, async ({ db }) => {
    await migrateToLatest(db);
    await work(() => changeOf(db, keys));
  });
}

function changeOf(db: Database, keys: KeyFiles): CaKeyChange {
  return { db, ...keys, now: new Date(), by };
}

function keysOf(environment: NodeJS.ProcessEnv): KeyFiles {
  const folder = environment['SALLYPORT_KEYS'];
  if (folder) return keyFiles(folder, environment);
  throw new SallyportError(
    'settings_invalid',
    'Which folder holds the CA keys? Set SALLYPORT_KEYS as the server has it; `sallyport keys create FOLDER` makes one. ' +
      'Signers elsewhere need it too: it is where new key files would be made.',
  );
}
