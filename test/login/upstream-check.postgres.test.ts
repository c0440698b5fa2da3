import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { disableAccount, loadAccount } from '../../src/accounts/account.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { requireLiveUpstream, type UpstreamCheckParts } from '../../src/login/upstream-check.ts';
import type { ProviderOutage } from '../../src/login/upstream-lease.ts';
import { revokedSerials } from '../../src/revocation/revoked-serials.ts';
import { hasPostgres } from '../database/fresh-database.ts';
import { createCaKey, storeCertificate } from '../sessions/login.ts';
import { type Replica, startUpstreamWorld, type UpstreamWorld } from './upstream-world.ts';

const fiveMinutes = 301;

describe.skipIf(!hasPostgres)('renewal at the identity provider (needs postgresql)', () => {
  let world: UpstreamWorld;
  let replica: Replica;
  beforeAll(async () => {
    world = await startUpstreamWorld();
    replica = await world.replica();
  });
  afterAll(() => world.close());
  afterEach(() => {
    world.idp.start();
    world.idp.enable('dora');
    world.idp.behaviour.claims = null;
    world.idp.behaviour.brokenPaths.clear();
  });

  const outages: ProviderOutage[] = [];
  const parts = (): UpstreamCheckParts => ({
    database: world.database,
    providers: world.providers,
    sealer: world.sealer,
    clock: world.now,
    onOutage: (outage) => outages.push(outage),
  });
  const check = (id: string) => requireLiveUpstream(parts(), id);
  const checkThere = (id: string) => requireLiveUpstream({ ...replica }, id);
  const refreshes = () => world.idp.requests.filter(({ grantType }) => grantType === 'refresh_token').length;
  const grantOf = (id: string) =>
    world.database.db
      .selectFrom('upstream_grants')
      .selectAll()
      .where('session_id', '=', id)
      .executeTakeFirstOrThrow();
  const endOf = (id: string) =>
    world.database.db
      .selectFrom('login_sessions')
      .select(['ended_reason', 'ended_by'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
  const loggedIn = async () => (await world.logIn('dora', 'helper')).sessionId;

  test('asks nobody for five minutes after the login, then once for everybody, and keeps the new token', async () => {
    const id = await loggedIn();
    const before = refreshes();
    await check(id);
    expect(refreshes()).toBe(before);
    for (const round of [1, 2, 3]) {
      world.advance(fiveMinutes);
      await check(id);
      await checkThere(id);
      expect(refreshes()).toBe(before + round);
    }
    expect((await grantOf(id)).lease).toBeNull();
  });

  test('two processes at once make one refresh there, and both have its answer', async () => {
    const id = await loggedIn();
    world.advance(fiveMinutes);
    const before = refreshes();
    await Promise.all([check(id), checkThere(id), check(id), checkThere(id)]);
    expect(refreshes()).toBe(before + 1);
    expect(await endOf(id)).toEqual({ ended_reason: null, ended_by: null });

    world.idp.disable('dora');
    world.advance(fiveMinutes);
    const answers = await Promise.allSettled([check(id), checkThere(id), check(id), checkThere(id)]);
    expect(answers.map((answer) => answer.status === 'rejected' && answer.reason.code)).toEqual(
      Array(4).fill('session_ended'),
    );
    expect(refreshes()).toBe(before + 2);
  });

  test('tokens lie there sealed, each for its session only', async () => {
    const [one, other] = [await loggedIn(), await loggedIn()];
    const { refresh_token: token } = await grantOf(one);
    const open = (id: string) => world.sealer.open(token as Buffer, `upstream_grants.refresh_token/${id}`);
    expect(String(token)).not.toContain(open(one));
    expect(() => open(other)).toThrow();
  });

  test('a person who is disabled there is refused at the next renewal: session, certificates and connections end', async () => {
    const id = await loggedIn();
    const serial = await inTransaction(world.database.db, async (tx) =>
      storeCertificate(tx, {
        caKeyId: await createCaKey(tx),
        sessionId: id,
        validBefore: new Date(world.now().getTime() + 3_600_000),
      }),
    );
    world.idp.disable('dora');
    world.advance(fiveMinutes);
    await expect(check(id)).rejects.toMatchObject({ code: 'session_ended' });
    expect(await endOf(id)).toEqual({ ended_reason: 'upstream_ended', ended_by: 'system' });
    expect((await revokedSerials(world.database.db)).map((revoked) => revoked.serial)).toContain(serial);
    await expect(grantOf(id)).rejects.toThrow();
    // No later answer brings it back.
    world.idp.enable('dora');
    await expect(check(id)).rejects.toMatchObject({ code: 'session_ended' });
  });

  test('groups and name are as the provider has them now, at the next renewal', async () => {
    const { sessionId: id, accountId } = await world.logIn('dora', 'helper');
    world.idp.behaviour.claims = () => ({ groups: ['operators'], name: 'Dora Renamed' });
    world.advance(fiveMinutes);
    await check(id);
    expect((await loadAccount(world.database.db, accountId)).facts.groups).toEqual(['operators']);
    const { display_name } = await world.database.db
      .selectFrom('accounts')
      .select('display_name')
      .where('id', '=', accountId)
      .executeTakeFirstOrThrow();
    expect(display_name).toBe('Dora Renamed');
  });

  test('a person whose claims no longer pass is refused', async () => {
    const id = await loggedIn();
    world.idp.behaviour.claims = () => ({ email_verified: false });
    world.advance(fiveMinutes);
    await expect(check(id)).rejects.toMatchObject({ code: 'session_ended' });
    expect(await endOf(id)).toMatchObject({ ended_reason: 'upstream_refused' });
  });

  test('an account that was disabled here is refused', async () => {
    const { sessionId: id, accountId } = await world.logIn('emil', 'helper');
    await inTransaction(world.database.db, (tx) =>
      disableAccount(tx, { accountId, by: 'test' }, world.now()),
    );
    world.advance(fiveMinutes);
    await expect(check(id)).rejects.toMatchObject({ code: 'session_ended' });
  });

  test('a session whose provider is gone ends', async () => {
    const id = await loggedIn();
    const none = async () => {
      throw Object.assign(await world.providers.get('gone').catch((error) => error));
    };
    await expect(requireLiveUpstream({ ...parts(), providers: { get: none } }, id)).rejects.toMatchObject({
      code: 'session_ended',
    });
    expect(await endOf(id)).toMatchObject({ ended_reason: 'provider_removed' });
  });

  test('whoever dies while he asks holds nobody up for long', async () => {
    const id = await loggedIn();
    world.advance(fiveMinutes);
    await world.database.db
      .updateTable('upstream_grants')
      .set({ lease: crypto.randomUUID(), lease_until: new Date(world.now().getTime() + 60_000) })
      .where('session_id', '=', id)
      .execute();
    const before = refreshes();
    world.advance(61);
    await checkThere(id);
    expect(refreshes()).toBe(before + 1);
    expect((await grantOf(id)).lease).toBeNull();
  });

  describe('while the provider is away', () => {
    test('sessions are renewed within the grace and no longer, an alarm is raised, and all is well when it is back', async () => {
      const id = await loggedIn();
      outages.length = 0;
      world.idp.stop();
      world.advance(fiveMinutes);
      await check(id);
      expect(outages).toEqual([{ provider: 'default', detail: expect.any(String) }]);
      const alarms = await world.database.db
        .selectFrom('audit_events')
        .select('facts')
        .where('event', '=', 'provider.outage')
        .execute();
      expect(alarms).toHaveLength(1);
      const { outage_since } = await grantOf(id);
      expect(outage_since).toBeInstanceOf(Date);
      // Four hours, as organizations have it that set nothing else.
      world.advance(4 * 3600 - 60);
      await checkThere(id);
      world.advance(120);
      await expect(check(id)).rejects.toMatchObject({ code: 'unavailable', status: 503 });
      expect(await endOf(id)).toMatchObject({ ended_reason: null });
      expect((await grantOf(id)).outage_since).toEqual(outage_since);

      world.idp.start();
      world.advance(31);
      await check(id);
      expect(await grantOf(id)).toMatchObject({ outage_since: null, lease: null, lease_until: null });
    });

    test('an error of its own is no refusal', async () => {
      const id = await loggedIn();
      world.idp.behaviour.brokenPaths.add('/token');
      world.advance(fiveMinutes);
      await check(id);
      expect(await endOf(id)).toMatchObject({ ended_reason: null });
    });

    test('one that gives a new refresh token and then nothing is an outage: the new one is kept', async () => {
      const id = await loggedIn();
      world.idp.behaviour.claims = () => ({ groups: undefined });
      world.idp.behaviour.brokenPaths.add('/me');
      world.advance(fiveMinutes);
      await check(id);
      expect((await grantOf(id)).outage_since).toBeInstanceOf(Date);
      world.idp.behaviour.brokenPaths.clear();
      world.advance(31);
      await check(id);
      expect(await endOf(id)).toMatchObject({ ended_reason: null });
      expect((await grantOf(id)).outage_since).toBeNull();
    });

    test('nobody asks again for half a minute', async () => {
      const id = await loggedIn();
      world.idp.behaviour.brokenPaths.add('/token');
      world.advance(fiveMinutes);
      await check(id);
      world.idp.behaviour.brokenPaths.clear();
      const before = refreshes();
      await checkThere(id);
      expect(refreshes()).toBe(before);
      world.advance(31);
      await checkThere(id);
      expect(refreshes()).toBe(before + 1);
    });
  });
});
