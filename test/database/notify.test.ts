import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Listener } from '../../src/database/database.ts';
import { notify } from '../../src/database/notify.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { type FreshDatabase, freshDatabase } from './fresh-database.ts';

let database: FreshDatabase;
let listener: Listener;
const heard: string[] = [];
let hear = () => {};

beforeAll(async () => {
  database = await freshDatabase();
  listener = await database.listen('news', (payload) => {
    heard.push(payload);
    hear();
  });
});
afterAll(async () => {
  await listener.close();
  await database.close();
});

/** Sends `payload` and waits until it is heard: whatever was sent before it has been heard by then. */
async function sendAndHear(payload: string): Promise<void> {
  const arrived = new Promise<void>((resolve) => {
    hear = () => heard.includes(payload) && resolve();
  });
  await inTransaction(database.db, (tx) => notify(tx, 'news', payload));
  await arrived;
}

test('a listener hears what a committed transaction sent, and nothing of one that was rolled back', async () => {
  const failed = inTransaction(database.db, async (tx) => {
    await notify(tx, 'news', 'rolled back');
    throw new Error('stop');
  });
  await expect(failed).rejects.toThrow('stop');
  await inTransaction(database.db, (tx) => notify(tx, 'other channel', 'not for us'));
  await sendAndHear('one');
  expect(heard).toEqual(['one']);
});

test('a closed listener hears nothing more', async () => {
  const late: string[] = [];
  const second = await database.listen('news', (payload) => late.push(payload));
  await second.close();
  await sendAndHear('two');
  expect(late).toEqual([]);
});
