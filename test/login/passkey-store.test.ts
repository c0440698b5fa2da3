import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import {
  addPasskey,
  notePasskeyUse,
  passkeysOf,
  removePasskey,
  resetPasskeys,
  usable,
} from '../../src/login/passkey-store.ts';
import { consumePending, peekPending, savePending } from '../../src/login/pending-login.ts';
import {
  allowRecoveryGuess,
  countRecoveryCodes,
  replaceRecoveryCodes,
  useRecoveryCode,
} from '../../src/login/recovery-codes.ts';
import { createSealer, newSealingKey } from '../../src/secrets/seal.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from '../inventory/shop.ts';

const now = new Date('2027-01-15T08:00:00Z');
const later = (seconds: number) => new Date(now.getTime() + seconds * 1000);
const sealer = createSealer([newSealingKey()]);
const model = '01020304-0506-0708-0102-030405060708';

let database: FreshDatabase;
let shop: Shop;
let other: Shop;
beforeAll(async () => {
  database = await freshDatabase();
  [shop, other] = await inTransaction(database.db, async (tx) => [
    await createShop(tx, now),
    await createShop(tx, now, {
      organization: 'globex',
      domain: 'globex.test',
      project: 'billing',
      gateway: 'bastion',
    }),
  ]);
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.db.deleteFrom('passkeys').execute();
  await database.db.deleteFrom('recovery_codes').execute();
});

const write = <T>(work: (tx: Tx) => Promise<T>) => inTransaction(database.db, work);

function add({
  accountId = shop.accountId,
  counter = 0,
  credentialId = randomBytes(16),
  another = true,
} = {}) {
  const passkey = {
    accountId,
    credentialId,
    publicKey: randomBytes(77),
    counter,
    transports: ['usb'],
    model,
    backedUp: false,
    name: 'Key',
  };
  return write((tx) => addPasskey(tx, passkey, { mayBeAnother: another }, now));
}

describe('passkeys', () => {
  test('are one account’s; a credential is nobody else’s', async () => {
    const credentialId = randomBytes(16);
    await add({ credentialId });
    await expect(add({ credentialId, accountId: other.accountId })).rejects.toMatchObject({
      code: 'passkey_refused',
    });
    expect(await passkeysOf(database.db, shop.accountId)).toHaveLength(1);
    expect(await passkeysOf(database.db, other.accountId)).toEqual([]);
  });

  test('are not added to others without one of those shown first, also if two come at once', async () => {
    const tries = await Promise.allSettled([add({ another: false }), add({ another: false })]);
    expect(tries.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await passkeysOf(database.db, shop.accountId)).toHaveLength(1);
  });

  test('are not added to an account that was disabled meanwhile', async () => {
    const disable = (disabled_at: Date | null) =>
      database.db.updateTable('accounts').set({ disabled_at }).where('id', '=', other.accountId).execute();
    await disable(now);
    await expect(add({ accountId: other.accountId })).rejects.toMatchObject({ code: 'login_rejected' });
    await disable(null);
  });

  test('count up: the same or a lower number is refused, and of two uses at once one', async () => {
    const id = await add({ counter: 5 });
    const use = (counter: number) => write((tx) => notePasskeyUse(tx, { id, counter }, now));
    expect([await use(5), await use(4), await use(0)]).toEqual([false, false, false]);
    const both = await Promise.all([use(6), use(6)]);
    expect(both.sort()).toEqual([false, true]);
    expect(await use(7)).toBe(true);
  });

  test('that count nothing stay at nothing', async () => {
    const id = await add({ counter: 0 });
    const use = (counter: number) => write((tx) => notePasskeyUse(tx, { id, counter }, now));
    expect([await use(0), await use(0), await use(3), await use(0)]).toEqual([true, true, true, false]);
  });

  test('that are removed are used no more, and only their owner removes them', async () => {
    const id = await add();
    const remove = (accountId: string) => write((tx) => removePasskey(tx, { id, accountId, by: 'x' }, now));
    await expect(remove(other.accountId)).rejects.toMatchObject({ code: 'not_found' });
    await remove(shop.accountId);
    await expect(remove(shop.accountId)).rejects.toMatchObject({ code: 'not_found' });
    expect(await write((tx) => notePasskeyUse(tx, { id, counter: 9 }, now))).toBe(false);
  });

  test('of a model that the organization does not name do not count', async () => {
    await add();
    const passkeys = await passkeysOf(database.db, shop.accountId);
    expect([usable(passkeys, null), usable(passkeys, [model])].map((list) => list.length)).toEqual([1, 1]);
    expect(usable(passkeys, [shop.accountId])).toEqual([]);
  });

  test('and the codes of an account go together when an admin resets it', async () => {
    await add();
    await add();
    await write((tx) => replaceRecoveryCodes(tx, sealer, shop, now));
    expect(await write((tx) => resetPasskeys(tx, { accountId: shop.accountId, by: 'x' }, now))).toBe(2);
    expect(await countRecoveryCodes(database.db, shop.accountId)).toBe(0);
  });
});

describe('recovery codes', () => {
  const use = (code: string, accountId = shop.accountId) =>
    write((tx) =>
      useRecoveryCode(
        tx,
        sealer,
        { accountId, organizationId: shop.organizationId, code, clientAddress: '192.0.2.1' },
        now,
      ),
    );

  test('are ten, each good once, of one account, in whatever way they are typed', async () => {
    const [first = '', second = '', ...more] = await write((tx) =>
      replaceRecoveryCodes(tx, sealer, shop, now),
    );
    expect(more).toHaveLength(8);
    await expect(use(first, other.accountId)).rejects.toMatchObject({ code: 'recovery_code_refused' });
    const both = await Promise.allSettled([use(first), use(first)]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await use(` ${second.toUpperCase().replaceAll('-', '').replaceAll('0', 'O').replaceAll('1', 'l')} `);
    expect(await countRecoveryCodes(database.db, shop.accountId)).toBe(8);
  });

  test('of before are void when there are new ones', async () => {
    const [old = ''] = await write((tx) => replaceRecoveryCodes(tx, sealer, shop, now));
    await write((tx) => replaceRecoveryCodes(tx, sealer, shop, now));
    await expect(use(old)).rejects.toMatchObject({ code: 'recovery_code_refused' });
  });

  test('are not in the database', async () => {
    const codes = await write((tx) => replaceRecoveryCodes(tx, sealer, shop, now));
    const rows = await database.db.selectFrom('recovery_codes').selectAll().execute();
    const kept = JSON.stringify(rows);
    for (const code of codes) expect(kept).not.toContain(code);
    expect(rows[0]?.code_hash).toHaveLength(32);
  });

  test('may be guessed at five times an hour', async () => {
    const guess = (at: Date) => allowRecoveryGuess(database.db, shop.accountId, at);
    for (let count = 0; count < 5; count += 1) await guess(now);
    await expect(guess(later(60))).rejects.toMatchObject({ code: 'too_many_attempts' });
    await guess(later(3600));
  });
});

describe('a login between two steps', () => {
  const place = (browserSecret: string | undefined) => ({ db: database.db, sealer, browserSecret });
  const save = () => savePending(place('browser'), { secret: 'a refresh token' }, now);
  const invalid = { code: 'login_state_invalid' };

  test('is taken once, also by two at once', async () => {
    const handle = await save();
    const both = await Promise.allSettled([
      consumePending(place('browser'), handle, now),
      consumePending(place('browser'), handle, now),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await expect(peekPending(place('browser'), handle, now)).rejects.toMatchObject(invalid);
  });

  test('is only the browser’s that began it, and another’s try takes nothing', async () => {
    const handle = await save();
    for (const browser of ['another', '', undefined]) {
      await expect(consumePending(place(browser), handle, now)).rejects.toMatchObject(invalid);
      await expect(peekPending(place(browser), handle, now)).rejects.toMatchObject(invalid);
    }
    expect((await consumePending(place('browser'), handle, now)).payload).toEqual({
      secret: 'a refresh token',
    });
  });

  test('lasts ten minutes, however many steps it has', async () => {
    const handle = await save();
    const { expiresAt } = await peekPending(place('browser'), handle, later(599));
    await expect(peekPending(place('browser'), handle, later(600))).rejects.toMatchObject(invalid);
    const next = await savePending(place('browser'), {}, later(599), expiresAt);
    await expect(consumePending(place('browser'), next, later(600))).rejects.toMatchObject(invalid);
  });

  test('is sealed: the table tells nothing', async () => {
    const handle = await save();
    const rows = JSON.stringify(
      (await database.db.selectFrom('pending_logins').selectAll().execute()).map(({ payload }) =>
        payload.toString('latin1'),
      ),
    );
    expect(rows).not.toContain('refresh token');
    expect(rows).not.toContain(handle);
  });
});
