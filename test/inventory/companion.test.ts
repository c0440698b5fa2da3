import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import {
  companionsOfOrganization,
  createCompanion,
  updateCompanionAddress,
  updateSourceAddress,
} from '../../src/inventory/companion.ts';
import {
  noteInstalled,
  recordAcknowledgement,
  touchCompanion,
} from '../../src/inventory/companion-contact.ts';
import { createCredentialCheck } from '../../src/inventory/companion-credentials.ts';
import {
  completeEnrolment,
  consumeEnrolmentToken,
  createEnrolmentToken,
} from '../../src/inventory/enrolment.ts';
import { gatewaysOfOrganization } from '../../src/inventory/gateway.ts';
import { revokeCompanion } from '../../src/inventory/revoke-companion.ts';
import { bumpStateVersion, readStateVersion, type StateVersion } from '../../src/revocation/state-version.ts';
import { newToken, tokenHash } from '../../src/secrets/token.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';
import { createShop, type Shop } from './shop.ts';

const now = new Date('2026-06-01T12:00:00Z');
const seconds = (count: number) => new Date(now.getTime() + count * 1000);

const database: FreshDatabase = await freshDatabase();
afterAll(() => database.close());
const write = <T>(work: (tx: Tx) => Promise<T>) => inTransaction(database.db, work);

let shops = 0;
let shop: Shop;
beforeEach(async () => {
  shops += 1;
  const name = `shop${shops}`;
  shop = await write((tx) =>
    createShop(tx, now, {
      organization: name,
      domain: `${name}.example`,
      project: name,
      gateway: `gate-${name}`,
    }),
  );
});

const newEnrolmentToken = () =>
  write((tx) => createEnrolmentToken(tx, shop.gatewayId, { now, lifetimeSeconds: 600 }));
const consume = (token: string, at = now) => write((tx) => consumeEnrolmentToken(tx, token, at));
async function enrolled(): Promise<string> {
  const credential = newToken('companion');
  await write((tx) =>
    completeEnrolment(
      tx,
      shop.gatewayId,
      { hostKey: Buffer.from('host key'), credentialHash: tokenHash(credential) },
      now,
    ),
  );
  return credential;
}

describe('an enrolment token', () => {
  test('gives its companion once', async () => {
    const token = await newEnrolmentToken();
    expect(await consume(token)).toMatchObject({ id: shop.gatewayId, kind: 'gateway', hostKey: null });
    await expect(consume(token)).rejects.toMatchObject({ code: 'enrolment_refused' });
  });

  test('is good again if the transaction that spent it rolls back', async () => {
    const token = await newEnrolmentToken();
    const work = write(async (tx) => {
      await consumeEnrolmentToken(tx, token, now);
      throw new Error('stop');
    });
    await expect(work).rejects.toThrow('stop');
    expect(await consume(token)).toMatchObject({ id: shop.gatewayId });
  });

  test('is refused from the second of its end on', async () => {
    const token = await newEnrolmentToken();
    await expect(consume(token, seconds(600))).rejects.toMatchObject({ code: 'enrolment_refused' });
    expect(await consume(token, seconds(599))).toMatchObject({ id: shop.gatewayId });
  });

  test('is refused cut short, made longer, or empty', async () => {
    const token = await newEnrolmentToken();
    for (const wrong of [token.slice(0, -1), `${token}A`, token.toUpperCase(), '', newToken('enrol')]) {
      await expect(consume(wrong)).rejects.toMatchObject({ code: 'enrolment_refused' });
    }
    expect(await consume(token)).toMatchObject({ id: shop.gatewayId });
  });

  test('is not stored as it is', async () => {
    const token = await newEnrolmentToken();
    const stored = JSON.stringify(await database.db.selectFrom('enrolment_tokens').selectAll().execute());
    const events = JSON.stringify(await database.db.selectFrom('audit_events').selectAll().execute());
    expect(stored + events).not.toContain(token.slice('enrol_'.length));
  });

  test('of a revoked companion is refused, and no new one is made', async () => {
    const token = await newEnrolmentToken();
    await write((tx) => revokeCompanion(tx, { companionId: shop.gatewayId, by: 'admin' }, now));
    await expect(consume(token)).rejects.toMatchObject({ code: 'enrolment_refused' });
    await expect(newEnrolmentToken()).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('a companion', () => {
  test('is found by its credential alone', async () => {
    const credential = await enrolled();
    expect(await createCredentialCheck(database.db)(credential)).toEqual({
      id: shop.gatewayId,
      organizationId: shop.organizationId,
      enrolledAt: now,
    });
    for (const wrong of ['', credential.slice(0, -1), `${credential}A`, newToken('companion')]) {
      await expect(createCredentialCheck(database.db)(wrong)).rejects.toMatchObject({
        code: 'token_invalid',
      });
    }
  });

  test('that is enrolled again has a new credential; the old one is worth nothing', async () => {
    const old = await enrolled();
    const fresh = await enrolled();
    await expect(createCredentialCheck(database.db)(old)).rejects.toMatchObject({ code: 'token_invalid' });
    expect(await createCredentialCheck(database.db)(fresh)).toMatchObject({ id: shop.gatewayId });
  });

  test('that is revoked is refused, no longer listed, and can not be enrolled', async () => {
    const credential = await enrolled();
    const revoke = () =>
      write((tx) => revokeCompanion(tx, { companionId: shop.gatewayId, by: 'admin' }, now));
    await revoke();
    await revoke();
    await expect(createCredentialCheck(database.db)(credential)).rejects.toMatchObject({
      code: 'token_invalid',
    });
    expect(await companionsOfOrganization(database.db, shop.organizationId)).toEqual([]);
    expect(await gatewaysOfOrganization(database.db, shop.organizationId)).toEqual([]);
    await expect(enrolled()).rejects.toMatchObject({ code: 'not_found' });
    const events = await database.db
      .selectFrom('audit_events')
      .select('id')
      .where('event', '=', 'companion.revoked')
      .where('organization_id', '=', shop.organizationId)
      .execute();
    expect(events).toHaveLength(1);
  });

  test('is a gateway for ssh configurations once it is enrolled', async () => {
    expect(await gatewaysOfOrganization(database.db, shop.organizationId)).toEqual([]);
    await enrolled();
    await write((tx) => updateCompanionAddress(tx, shop.gatewayId, { address: '127.0.0.1', port: 8422 }));
    expect(await gatewaysOfOrganization(database.db, shop.organizationId)).toEqual([
      {
        id: shop.gatewayId,
        name: `gate-shop${shops}`,
        address: '127.0.0.1',
        port: 8422,
        ports: [],
        hostKey: expect.any(Buffer),
        gatewayLogin: null,
        givesLeases: false,
        targetNames: [`shop${shops}-production--web`],
      },
    ]);
  });
});

describe('an acknowledgement', () => {
  const acknowledge = (
    version: bigint,
    krlVersion: bigint,
    connectionsEnded = 0,
    problem: string | null = null,
  ) =>
    write((tx) =>
      recordAcknowledgement(tx, shop.gatewayId, { version, krlVersion, connectionsEnded, problem }, now),
    );
  const state = async () => (await companionsOfOrganization(database.db, shop.organizationId))[0];

  test('is kept, and an older one does not take it back', async () => {
    const { version, krlVersion } = await readStateVersion(database.db);
    await acknowledge(version, krlVersion, 2);
    await acknowledge(version - 1n, krlVersion, 0);
    expect(await state()).toMatchObject({
      acknowledged: { version, krlVersion, at: now, connectionsEnded: 2 },
      problem: null,
      lastSeenAt: now,
    });
  });

  test('with a problem shows the problem and installs nothing; the next good one clears it', async () => {
    const { version, krlVersion } = await readStateVersion(database.db);
    await acknowledge(version, krlVersion, 0, 'disk full');
    expect(await state()).toMatchObject({ acknowledged: null, problem: 'disk full' });
    await acknowledge(version, krlVersion);
    expect(await state()).toMatchObject({ acknowledged: { version }, problem: null });
  });

  test('of a version that this database never gave is noted, as it may have been forgotten', async () => {
    const { version, krlVersion } = await readStateVersion(database.db);
    const note = (installed: StateVersion) =>
      write((tx) => noteInstalled(tx, shop.gatewayId, installed, now));
    expect(await note({ version, krlVersion })).toBe('known');
    expect(await note({ version: version + 1n, krlVersion })).toBe('unknown');
    expect(await note({ version, krlVersion: krlVersion + 1n })).toBe('unknown');
    expect(await state()).toMatchObject({ acknowledged: null });
  });

  test.each([
    { version: 2n ** 64n - 1n, krlVersion: 1n },
    { version: 1n, krlVersion: 2n ** 64n - 1n },
    { version: BigInt(now.getTime()) * 2n, krlVersion: 1n },
  ])('of a version that no database ever gave is refused ($version, $krlVersion)', async (installed) => {
    await expect(write((tx) => noteInstalled(tx, shop.gatewayId, installed, now))).rejects.toMatchObject({
      code: 'request_malformed',
    });
  });

  test('of more connections than can be counted is refused', async () => {
    const { version, krlVersion } = await readStateVersion(database.db);
    await expect(acknowledge(version, krlVersion, Number.MAX_SAFE_INTEGER)).rejects.toMatchObject({
      code: 'request_malformed',
    });
  });

  test('and a sign of life make no new state version', async () => {
    const before = await write((tx) => bumpStateVersion(tx, now, { krl: true }));
    await acknowledge(before, before);
    await write((tx) => touchCompanion(tx, shop.gatewayId, seconds(5)));
    expect((await readStateVersion(database.db)).version).toBe(before);
    expect((await state())?.lastSeenAt).toEqual(seconds(5));
  });
});

test('a credential is not stored as it is', async () => {
  const credential = await enrolled();
  const stored = JSON.stringify(await database.db.selectFrom('companions').selectAll().execute());
  expect(stored).not.toContain(credential.slice('companion_'.length));
});

describe('the address that targets see a gateway come from', () => {
  const change = (address: string | null, id = shop.gatewayId) =>
    write((tx) => updateSourceAddress(tx, id, address));
  const host = (more: { sourceAddress?: string } = {}) =>
    write((tx) =>
      createCompanion(tx, {
        organizationId: shop.organizationId,
        kind: 'host',
        name: `host-${shops}`,
        address: '192.0.2.1',
        port: 22,
        gatewayLogin: null,
        environmentIds: [],
        ...more,
      }),
    );

  test.each(['192.0.2.10', '2001:db8::10'])('is one IP address: %s', async (address) => {
    await change(address);
    const { version } = await readStateVersion(database.db);
    await change(address);
    expect((await readStateVersion(database.db)).version).toBe(version);
    await change(null);
  });

  test.each([
    'gate.example.com',
    '192.0.2.0/24',
    '192.0.2.10,192.0.2.11',
    '2001:DB8::10',
    '::ffff:192.0.2.10',
    'fe80::1%eth0',
    '',
  ])('is nothing else: %j', async (address) => {
    await expect(change(address)).rejects.toMatchObject({ code: 'name_refused' });
  });

  test('is a gateway’s alone', async () => {
    await expect(host({ sourceAddress: '192.0.2.10' })).rejects.toThrow('companions_source_address_check');
    const hostId = await host();
    await expect(change('192.0.2.10', hostId)).rejects.toMatchObject({ code: 'not_found' });
  });
});
