import { errors } from 'oidc-provider';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { accountForIdentity } from '../../src/accounts/account-for-identity.ts';
import { createOrganization } from '../../src/inventory/organization.ts';
import { findRecord, saveRecord } from '../../src/oauth/record-store.ts';
import { consumeRefreshToken, type Rotation, saveSuccessor } from '../../src/oauth/rotate-refresh-token.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { startSession } from '../../src/sessions/start-session.ts';
import { type FreshDatabase, freshDatabase } from '../database/fresh-database.ts';

const now = new Date('2026-01-02T03:04:05Z');
const later = new Date(now.getTime() + 3_600_000);
let database: FreshDatabase;
let accountId: string;
let grantId: string;
let sessionId: string;
let number = 0;

beforeAll(async () => {
  database = await freshDatabase();
  await database.db.transaction().execute(async (tx) => {
    await createOrganization(tx, { slug: 'acme', name: 'Acme', domains: ['acme.test'] });
    const identity = {
      issuer: 'https://login.acme.test',
      subject: '1',
      accountName: 'alice@acme.test',
      displayName: 'Alice',
      groups: [],
      organizationSlug: 'acme',
    };
    ({ accountId } = await accountForIdentity(tx, identity, now));
  });
});
afterAll(() => database.close());
beforeEach(async () => {
  number += 1;
  grantId = `grant-${number}`;
  const session = {
    accountId,
    kind: 'helper',
    issuer: 'https://login.acme.test',
    amr: ['mfa'],
    acr: null,
    authTime: now,
    mfa: true,
    expiresAt: later,
    clientAddress: null,
    clientName: null,
    grantId,
  } as const;
  sessionId = await database.db.transaction().execute((tx) => startSession(tx, session, now));
  await saveRecord(database.db, token('parent'));
});

const token = (name: string) => ({
  model: 'RefreshToken',
  id: `${name}-${number}`,
  payload: { grantId },
  expiresAt: later,
});
const request = (observed: number): Rotation => ({
  id: `parent-${number}`,
  grantId,
  observed,
  consumed: false,
});
const consume = (rotation: Rotation) => consumeRefreshToken(database.db, rotation, now);
const succeed = (rotation: Rotation, name: string) => saveSuccessor(database.db, rotation, token(name), now);
const exists = async (name: string) =>
  (await findRecord(database.db, 'RefreshToken', `${name}-${number}`)) !== undefined;

test('a request that was overtaken between consuming and storing leaves no token', async () => {
  await consume(request(0));
  await consume(request(1));
  await expect(succeed(request(0), 'first')).rejects.toThrow(errors.InvalidGrant);
  await succeed(request(1), 'second');
  expect([await exists('first'), await exists('second')]).toEqual([false, true]);
});

test('two requests that read the same count can not both consume', async () => {
  await consume(request(0));
  await expect(consume(request(0))).rejects.toThrow(errors.InvalidGrant);
});

test('consuming again destroys what came of the first time', async () => {
  await consume(request(0));
  await succeed(request(0), 'first');
  await consume(request(1));
  expect(await exists('first')).toBe(false);
});

test('a successor that was used since it was looked for is not destroyed', async () => {
  await consume(request(0));
  await succeed(request(0), 'first');
  await consume({ ...request(0), id: `first-${number}` });
  await expect(consume(request(1))).rejects.toThrow(errors.InvalidGrant);
  expect(await exists('first')).toBe(true);
});

test('a session that ends between consuming and storing gets no token', async () => {
  await consume(request(0));
  await database.db
    .transaction()
    .execute((tx) => endSession(tx, { sessionId, reason: 'revoked', by: 'system' }, now));
  await expect(succeed(request(0), 'first')).rejects.toThrow(errors.InvalidGrant);
  expect(await exists('first')).toBe(false);
});

test('a grant without session is refused', async () => {
  await expect(consume({ ...request(0), grantId: 'unknown' })).rejects.toThrow(errors.InvalidGrant);
  await expect(consume({ ...request(0), grantId: undefined })).rejects.toThrow(errors.InvalidGrant);
});
