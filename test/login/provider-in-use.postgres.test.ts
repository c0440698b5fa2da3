import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database, DatabaseHandle, Tx } from '../../src/database/database.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { removeProvider } from '../../src/login/manage-providers.ts';
import { type SessionLogin, startLoginSession } from '../../src/login/start-login-session.ts';
import { createSealer, newSealingKey } from '../../src/secrets/seal.ts';
import { type FreshDatabase, freshDatabase, hasPostgres } from '../database/fresh-database.ts';
import { lockAwaited } from '../database/lock-awaited.ts';
import { signal } from '../database/signal.ts';
import { createShop, issuer, type Shop } from '../inventory/shop.ts';

const now = new Date('2026-06-01T12:00:00Z');
const sealer = createSealer([newSealingKey()]);
let made = 0;

describe.skipIf(!hasPostgres)('a provider that goes while somebody logs in (needs postgresql)', () => {
  let here: FreshDatabase;
  let there: DatabaseHandle;
  let shop: Shop;
  let slug: string;
  beforeAll(async () => {
    here = await freshDatabase();
    there = await openPostgres({ url: String(here.url) });
    shop = await inTransaction(here.db, (tx) => createShop(tx, now));
  });
  afterAll(async () => {
    await there.close();
    await here.close();
  });
  beforeEach(async () => {
    made += 1;
    slug = `corp-${made}`;
    await here.db
      .insertInto('identity_providers')
      .values({ slug, organization_id: shop.organizationId, settings: '{}', client_secret: Buffer.from('x') })
      .execute();
  });

  /** Of a newcomer, whose account makes the login lock more. */
  const starting = (db: Database, work: (tx: Tx) => Promise<unknown> = async () => {}) => {
    const login: SessionLogin = {
      provider: { slug, name: 'Corp' },
      organizationSlug: 'acme',
      issuer,
      subject: `newcomer ${made}`,
      accountName: `newcomer${made}@example.com`,
      displayName: 'Newcomer',
      groups: ['developers'],
      amr: ['pwd'],
      acr: null,
      authTime: now,
      mfa: false,
      mfaBy: null,
      mfaMethods: [],
      mfaTime: null,
      upstreamSid: null,
      refreshToken: null,
      startedAt: now,
    };
    return inTransaction(db, async (tx) => {
      const session = { login, kind: 'browser', clientAddress: null, clientName: null } as const;
      const { sessionId } = await startLoginSession(tx, { sealer }, session, now);
      await work(tx);
      return sessionId;
    });
  };
  const removing = (db: Database, work: () => Promise<unknown> = async () => {}) =>
    inTransaction(db, async (tx) => {
      const manager = { organizationId: shop.organizationId, organization: 'acme', by: 'admin@example.com' };
      await removeProvider(tx, manager, slug, now);
      await work();
    });
  const refused = { code: 'login_rejected', message: expect.stringContaining('switched off meanwhile') };

  test('before the login has ended: it is refused, also where the provider is only switched off', async () => {
    await here.db
      .updateTable('identity_providers')
      .set({ enabled: false })
      .where('slug', '=', slug)
      .execute();
    await expect(starting(here.db)).rejects.toMatchObject(refused);
    await here.db.updateTable('identity_providers').set({ enabled: true }).where('slug', '=', slug).execute();
    expect(await starting(here.db)).toEqual(expect.any(String));
    await removing(here.db);
    await expect(starting(here.db)).rejects.toMatchObject(refused);
  });

  test('the login is first: its session ends with the provider', async () => {
    let removed: Promise<void> | undefined;
    const sessionId = await starting(here.db, async () => {
      removed = removing(there.db);
      await lockAwaited(here.db);
    });
    await removed;
    const { ended_reason } = await here.db
      .selectFrom('login_sessions')
      .select('ended_reason')
      .where('id', '=', sessionId)
      .executeTakeFirstOrThrow();
    expect(ended_reason).toBe('provider_removed');
  });

  test('the removal is first: the login waits for it and is refused', async () => {
    const [locked, goOn] = [signal(), signal()];
    const removed = removing(there.db, async () => {
      locked.fire();
      await goOn.fired;
    });
    await locked.fired;
    const login = expect(starting(here.db)).rejects.toMatchObject(refused);
    await lockAwaited(here.db);
    goOn.fire();
    await login;
    await removed;
  });

  test('its name is one of the configuration, whose provider is another', async () => {
    await removing(here.db);
    await here.db.insertInto('configured_provider_slugs').values({ slug }).execute();
    expect(await starting(here.db)).toEqual(expect.any(String));
  });
});
