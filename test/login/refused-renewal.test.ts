import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadAccount } from '../../src/accounts/account.ts';
import type { Tx } from '../../src/database/database.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { disableWithEverything } from '../../src/http/disable-account.ts';
import { removeProvider } from '../../src/login/manage-providers.ts';
import { requireLiveUpstream } from '../../src/login/upstream-check.ts';
import { revokedSerials } from '../../src/revocation/revoked-serials.ts';
import { readStateVersion } from '../../src/revocation/state-version.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { createCaKey, storeCertificate } from '../sessions/login.ts';
import { startUpstreamWorld, type UpstreamWorld } from './upstream-world.ts';

let world: UpstreamWorld;
let caKeyId: string;
let sessionId: string;
let accountId: string;
let serial: bigint;
beforeAll(async () => {
  world = await startUpstreamWorld(
    { slug: 'tenant' },
    { requiredClaims: { groups: ['developers'] }, groups: { prefix: 'tenant::', overage: 'refuse' } },
  );
  caKeyId = await write((tx) => createCaKey(tx));
});
afterAll(() => world.close());
beforeEach(async () => {
  world.idp.enable('dora');
  world.idp.behaviour.claims = null;
  ({ sessionId, accountId } = await world.logIn('dora', 'helper'));
  const validBefore = new Date(world.now().getTime() + 3_600_000);
  serial = await write((tx) => storeCertificate(tx, { caKeyId, sessionId, validBefore }));
});

const write = <T>(work: (tx: Tx) => Promise<T>) => inTransaction(world.database.db, work);
const renew = () =>
  requireLiveUpstream(
    { database: world.database, providers: world.providers, sealer: world.sealer, clock: world.now },
    sessionId,
  );
/** The answer of the provider is good for five minutes: no renewal later than that escapes. */
const renewLater = () => {
  world.advance(301);
  return renew();
};
const refused = { code: 'session_ended' };
/** The session, its certificates, and a new state for every machine. */
async function isRevoked(): Promise<boolean> {
  const { ended_at, ended_version } = await world.database.db
    .selectFrom('login_sessions')
    .select(['ended_at', 'ended_version'])
    .where('id', '=', sessionId)
    .executeTakeFirstOrThrow();
  const serials = (await revokedSerials(world.database.db)).map((revoked) => revoked.serial);
  const { version } = await readStateVersion(world.database.db);
  return ended_at !== null && version >= BigInt(ended_version ?? 0) && serials.includes(serial);
}

describe('[abuse 90] refused at the next renewal, at most five minutes later, and revoked at once when we are told:', () => {
  test('a person disabled at the provider', async () => {
    await renewLater();
    world.idp.disable('dora');
    await expect(renewLater()).rejects.toMatchObject(refused);
    expect(await isRevoked()).toBe(true);
  });

  test('a person whom the provider tells us is disabled, by a security event', async () => {
    const event = 'https://schemas.openid.net/secevent/risc/event-type/account-disabled';
    const jwt = await world.idp.sign(
      {
        iss: world.idp.issuer,
        aud: world.idp.clientId,
        iat: Math.floor(world.now().getTime() / 1000),
        jti: randomUUID(),
        sub_id: { format: 'iss_sub', iss: world.idp.issuer, sub: 'dora' },
        events: { [event]: {} },
      },
      { typ: 'secevent+jwt' },
    );
    const reply = await world.post('/login/security-events/tenant', jwt, 'application/secevent+jwt');
    expect([reply.status, await isRevoked()]).toEqual([202, true]);
    await expect(renew()).rejects.toMatchObject(refused);
    await world.database.db
      .updateTable('accounts')
      .set({ disabled_at: null })
      .where('id', '=', accountId)
      .execute();
  });

  test('a person disabled here', async () => {
    await write((tx) => disableWithEverything(tx, { accountId, by: 'admin@acme.test' }, world.now()));
    expect(await isRevoked()).toBe(true);
    await expect(renew()).rejects.toMatchObject(refused);
    await world.database.db
      .updateTable('accounts')
      .set({ disabled_at: null })
      .where('id', '=', accountId)
      .execute();
  });

  test('a person who has lost the group that may log in', async () => {
    world.idp.behaviour.claims = () => ({ groups: ['alumni'] });
    await expect(renewLater()).rejects.toMatchObject(refused);
    expect(await isRevoked()).toBe(true);
    expect(await world.logIn('dora', 'helper')).toEqual({ code: 'login_rejected' });
  });

  test('a group that gave a role: gone for every decision, and machines are told', async () => {
    world.idp.behaviour.claims = () => ({ groups: ['developers', 'operators'] });
    await renewLater();
    const groups = async () => (await loadAccount(world.database.db, accountId)).facts.groups;
    expect(await groups()).toEqual(['tenant::developers', 'tenant::operators']);
    const before = await readStateVersion(world.database.db);
    world.idp.behaviour.claims = null;
    await renewLater();
    expect(await groups()).toEqual(['tenant::developers']);
    expect((await readStateVersion(world.database.db)).version).toBeGreaterThan(before.version);
  });

  test('a device that is locked: its one session', async () => {
    const other = await world.logIn('dora', 'helper');
    await write((tx) => endSession(tx, { sessionId, reason: 'revoked', by: 'admin@acme.test' }, world.now()));
    expect(await isRevoked()).toBe(true);
    await expect(renew()).rejects.toMatchObject(refused);
    sessionId = other.sessionId;
    await renewLater();
  });

  test('a tenant that is switched off or deleted', async () => {
    const enabled = (on: boolean) =>
      world.database.db.updateTable('identity_providers').set({ enabled: on }).execute();
    await enabled(false);
    await expect(renew()).rejects.toMatchObject(refused);
    expect(await isRevoked()).toBe(true);

    await enabled(true);
    ({ sessionId } = await world.logIn('dora', 'helper'));
    const validBefore = new Date(world.now().getTime() + 3_600_000);
    serial = await write((tx) => storeCertificate(tx, { caKeyId, sessionId, validBefore }));
    const { organizationId } = world.shop;
    const manager = { organizationId, organization: 'acme', by: 'admin@acme.test' };
    await write((tx) => removeProvider(tx, manager, 'tenant', world.now()));
    expect(await isRevoked()).toBe(true);
    await expect(renew()).rejects.toMatchObject(refused);
  });
});
