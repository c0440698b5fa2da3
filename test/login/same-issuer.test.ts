/** Two organizations whose providers have the same issuer: what the admin of one sets up reaches nobody of the other. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadAccount } from '../../src/accounts/account.ts';
import { identitiesOf, linkIdentity } from '../../src/accounts/link-identity.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createProvider } from '../../src/login/manage-providers.ts';
import { documentOf } from '../../src/login/provider-settings.ts';
import { createShop, type Shop } from '../inventory/shop.ts';
import { startUpstreamWorld, type UpstreamWorld } from './upstream-world.ts';

let world: UpstreamWorld;
let other: Shop;
beforeAll(async () => {
  world = await startUpstreamWorld();
  const { settings } = world.idp.configured();
  await inTransaction(world.database.db, async (tx) => {
    const names = { organization: 'other', domain: 'other.example', project: 'theirs', gateway: 'theirs' };
    other = await createShop(tx, world.now(), names);
    const manager = { organizationId: other.organizationId, organization: 'other', by: 'eve@other.example' };
    const document = { ...documentOf(settings), organization: 'other' };
    const provider = { slug: 'theirs', settings: document, clientSecret: 'none', enabled: true };
    await createProvider(tx, { sealer: world.sealer, configured: [] }, manager, provider, world.now());
  });
});
afterAll(() => world.close());

const seconds = () => Math.floor(world.now().getTime() / 1000);
const sessionOf = (id: string) =>
  world.database.db
    .selectFrom('login_sessions')
    .select(['ended_at', 'upstream_sid'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
const signed = (typ: string, claims: Record<string, unknown>) =>
  world.idp.sign(
    {
      iss: world.idp.issuer,
      aud: world.idp.clientId,
      iat: seconds(),
      exp: seconds() + 120,
      jti: randomUUID(),
      ...claims,
    },
    { typ },
  );
const loggedOut = { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } };
const logOut = (jwt: string) =>
  world.post('/login/back-channel-logout/theirs', new URLSearchParams({ logout_token: jwt }).toString());

describe('a provider of another organization with the same issuer', () => {
  test('logs nobody of ours out, and keeps nobody of ours from logging in', async () => {
    const { sessionId } = await world.logIn('dora', 'helper');
    const { upstream_sid: sid } = await sessionOf(sessionId);
    for (const party of [{ sub: 'dora' }, { sid }, { sub: 'dora', sid }]) {
      expect((await logOut(await signed('logout+jwt', { ...loggedOut, ...party }))).status).toBe(400);
    }
    expect((await sessionOf(sessionId)).ended_at).toBeNull();

    world.onLogin = async () => {
      await logOut(await signed('logout+jwt', { ...loggedOut, sub: 'dora' }));
    };
    expect(await world.logIn('dora', 'helper')).toMatchObject({ sessionId: expect.any(String) });
    world.onLogin = null;
  });

  test('ends no console session by its front channel', async () => {
    const { sessionId } = await world.logIn('dora', 'browser');
    const { upstream_sid: sid } = await sessionOf(sessionId);
    const query = new URLSearchParams({ iss: world.idp.issuer, sid: String(sid) });
    await fetch(new URL(`/login/front-channel-logout/theirs?${query}`, world.publicUrl));
    expect((await sessionOf(sessionId)).ended_at).toBeNull();
  });

  test('disables nobody by a security event, and ends nothing', async () => {
    const { sessionId, accountId } = await world.logIn('dora', 'helper');
    const sub_id = { format: 'iss_sub', iss: world.idp.issuer, sub: 'dora' };
    for (const type of ['risc/event-type/account-disabled', 'caep/event-type/session-revoked']) {
      const events = { [`https://schemas.openid.net/secevent/${type}`]: {} };
      const jwt = await signed('secevent+jwt', { sub_id, events });
      const reply = await world.post('/login/security-events/theirs', jwt, 'application/secevent+jwt');
      expect(reply.status).toBe(202);
    }
    expect((await loadAccount(world.database.db, accountId)).facts.disabled).toBe(false);
    expect((await sessionOf(sessionId)).ended_at).toBeNull();
  });

  test('can link whomever it likes: who they are here stays as it is', async () => {
    const { issuer } = world.idp;
    for (const subject of ['dora', 'emil']) {
      await inTransaction(world.database.db, (tx) =>
        linkIdentity(
          tx,
          { accountId: other.accountId, issuer, subject, by: 'eve@other.example' },
          world.now(),
        ),
      );
    }
    // Neither who was here before, nor who comes for the first time.
    for (const [username, name] of [
      ['dora', 'dora@acme.test'],
      ['emil', 'emil@acme.test'],
    ] as const) {
      const { accountId } = await world.logIn(username, 'helper');
      expect((await loadAccount(world.database.db, accountId)).facts).toMatchObject({
        name,
        organization: 'acme',
      });
      expect(await identitiesOf(world.database.db, accountId)).toHaveLength(1);
    }
  });
});
