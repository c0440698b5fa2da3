import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ExplainReply } from '../../src/api/explain.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createApp } from '../../src/inventory/app.ts';
import { createInstance } from '../../src/inventory/instance.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

test('of somebody whose session was idle for too long an admin is told just that, and asking is no use of a session', async () => {
  const admin = await server.person('admin', 'admin');
  const bob = await server.person('bob', 'contributor');
  const ask = async () =>
    await server.call('GET', `/v1/explain?target=shop-production--web&account=${bob.account}`, { as: admin });
  const usedAt = (secondsAgo: number) => ({
    idle_seconds: 300,
    last_used_at: new Date(server.clock.now.getTime() - secondsAgo * 1000),
  });
  const set = (columns: ReturnType<typeof usedAt>) =>
    server.database.db.updateTable('login_sessions').set(columns).where('id', '=', bob.sessionId).execute();

  await set(usedAt(200));
  expect((await ask()).json()).toMatchObject({ account: bob.account, allowed: true });
  const { last_used_at } = await server.database.db
    .selectFrom('login_sessions')
    .select('last_used_at')
    .where('id', '=', bob.sessionId)
    .executeTakeFirstOrThrow();
  expect(last_used_at).toEqual(usedAt(200).last_used_at);

  await set(usedAt(301));
  const reply = await ask();
  expect(reply.statusCode).toBe(200);
  expect(reply.json()).toMatchObject({ allowed: false, reasons: [{ code: 'session_ended' }] });
});

const target = 'shop-production--web';

/** @param query beside the target */
async function explained(as: TestPerson, query: Record<string, string> = {}) {
  const reply = await server.call('GET', `/v1/explain?${new URLSearchParams({ target, ...query })}`, { as });
  const body = reply.json() as ExplainReply & { detail?: string };
  return { status: reply.statusCode, ...body, codes: body.reasons?.map(({ code }) => code) };
}

const setState = (state: 'running' | 'starting' | 'stopped' | 'paused' | 'inactive') =>
  server.database.db.updateTable('instances').set({ state }).where('target_name', '=', target).execute();

async function createTestApp(slug: string): Promise<string> {
  const { environmentId } = server.shop;
  return await inTransaction(server.database.db, (tx) => createApp(tx, { environmentId, slug }));
}

/** Half of the row: what the server says. The other half is what ssh says (test/gateway/instance-states.test.ts). */
test('[seeds 36] starting, stopped, paused, inactive, no instance and no permission are different words', async () => {
  const carol = await server.person('carol', 'contributor');
  const stranger = await server.person('stranger', null);
  await createTestApp('empty');
  const texts: string[] = [];
  for (const state of ['starting', 'stopped', 'paused', 'inactive'] as const) {
    await setState(state);
    const { codes, text } = await explained(carol);
    expect(codes).toEqual([`instance_${state}`]);
    texts.push(text);
  }
  await setState('running');
  const none = await explained(carol, { target: 'shop-production--empty' });
  expect(none.codes).toEqual(['no_instance']);
  const forbidden = await explained(stranger);
  expect(forbidden.codes).toEqual(['target_unknown']);
  const details = [...texts, none.text, forbidden.text].map((text) => /^Detail: (.*)$/m.exec(text)?.[1]);
  expect(new Set(details).size).toBe(6);
});

test('an app with several instances says their names, and to whoever may not see it nothing', async () => {
  const dora = await server.person('dora', 'contributor');
  const stranger = await server.person('stranger2', null);
  const appId = await createTestApp('many');
  await inTransaction(server.database.db, async (tx) => {
    for (const instanceSlug of ['1', '2']) {
      const place = { address: '10.1.2.4', port: 22, login: 'deploy', hostId: null };
      await createInstance(tx, { appId, instanceSlug, ...place });
    }
  });
  const name = 'shop-production--many';
  const found = await explained(dora, { target: name });
  expect(found.codes).toEqual(['instance_needed']);
  expect(found.text).toContain('Name one: shop-production--many--1, shop-production--many--2.');
  const hidden = await explained(stranger, { target: name });
  const unknown = await explained(stranger, { target: 'shop-production--nil' });
  expect(JSON.stringify(hidden)).toBe(JSON.stringify(unknown).replaceAll('shop-production--nil', name));
});

test('every answer says what it goes by, and what was supposed', async () => {
  const erin = await server.person('erin', 'contributor');
  expect(await explained(erin)).toMatchObject({ allowed: true, assumed: ['your login'] });
  expect(await explained(erin, { without_mfa: 'true' })).toMatchObject({
    codes: ['mfa_missing'],
    assumed: ['your login', 'without a second factor'],
  });
  expect(await explained(erin, { mfa_age: '901' })).toMatchObject({
    codes: ['mfa_too_old'],
    command: 'sally login --mfa --max-age 900',
    assumed: ['your login', 'with a second factor of 901 seconds ago'],
  });
  expect(await explained(erin, { mfa_age: '899' })).toMatchObject({ allowed: true });
  expect(await explained(erin, { role: 'viewer' })).toMatchObject({
    codes: ['role_insufficient'],
    assumed: ['your login', 'with the role viewer and no other'],
  });
  const machine = await explained(erin, { as_token: 'true' });
  expect(machine.codes).toContain('mfa_impossible');
  expect(machine.assumed).toEqual(['your login', 'as an API token']);
});

test('at another time another login, rule or second factor counts; what was is not known', async () => {
  const frank = await server.person('frank', 'contributor');
  const at = (seconds: number) => new Date(server.clock.now.getTime() + seconds * 1000).toISOString();
  expect(await explained(frank, { at: at(800) })).toMatchObject({
    allowed: true,
    assumed: ['your login', `at ${at(800).replace(/\.\d+Z$/, '.000Z')}`],
  });
  expect((await explained(frank, { at: at(1_000) })).codes).toEqual(['mfa_too_old']);
  expect((await explained(frank, { at: at(30 * 86_400) })).codes).toContain('session_expired');
  expect(await explained(frank, { at: at(-3_600) })).toMatchObject({
    status: 400,
    code: 'request_malformed',
  });
});

test('a role is supposed only where one is held, unless an admin asks', async () => {
  const gus = await server.person('gus', null);
  const admin = await server.person('chief', 'admin');
  const plain = await explained(gus);
  expect(plain.codes).toEqual(['target_unknown']);
  const supposed = await explained(gus, { role: 'admin' });
  expect(supposed.codes).toEqual(['target_unknown']);
  expect(supposed.text).toBe(plain.text);
  expect(await explained(admin, { account: gus.account, role: 'contributor' })).toMatchObject({
    allowed: true,
    assumed: [`the newest login of ${gus.account}`, 'with the role contributor and no other'],
  });
});

test('of somebody who is not logged in an admin can ask how a login would fare', async () => {
  const admin = await server.person('boss', 'admin');
  const hana = await server.person('hana', 'contributor');
  const { now } = server.clock;
  await inTransaction(server.database.db, (tx) =>
    endSession(tx, { sessionId: hana.sessionId, reason: 'revoked', by: 'test' }, now),
  );
  const account = hana.account;
  expect(await explained(admin, { account })).toMatchObject({
    codes: ['session_ended'],
    assumed: [`${account} is not logged in`],
  });
  expect(await explained(admin, { account, mfa_age: '60' })).toMatchObject({
    allowed: true,
    assumed: [`a new login of ${account}, who is not logged in`, 'with a second factor of 60 seconds ago'],
  });
});

test('what the CA has against a certificate keeps one out everywhere', async () => {
  const ivan = await server.person('ivan', 'contributor');
  const { db } = server.database;
  const setSsh = (ssh_enabled: boolean) =>
    db
      .updateTable('organizations')
      .set({ ssh_enabled })
      .where('id', '=', server.shop.organizationId)
      .execute();
  await db
    .updateTable('organizations')
    .set({ machine_access: false })
    .where('id', '=', server.shop.organizationId)
    .execute();
  expect((await explained(ivan, { as_token: 'true' })).codes).toContain('machines_refused');
  await setSsh(false);
  // Not twice, though both the CA and the gateway say so.
  expect((await explained(ivan)).codes).toEqual(['ssh_disabled']);
  await setSsh(true);
});
