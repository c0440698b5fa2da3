/**
 * One-time SSH codes: made by a person, checked by an enrolled gateway.
 *
 * [seeds 11]: here how long a code lasts, how often and where it is good, and its size; that a gateway asks for it by
 * PAM: test/gateway/one-time-codes.test.ts and test/netns; the command: test/cli/real-server.test.ts. [seeds 12] is here but for
 * what an organization begins with, which is there.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { disableAccount } from '../../src/accounts/account.ts';
import { type SshCodeReply, sshCodeReply, sshCodeVerdict } from '../../src/api/ssh-codes.ts';
import { sweepSshCodes } from '../../src/credentials/sweep-ssh-codes.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createApp } from '../../src/inventory/app.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { createEnvironment } from '../../src/inventory/environment.ts';
import { createInstance } from '../../src/inventory/instance.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { createShop } from '../inventory/shop.ts';
import { startedSession } from '../sessions/login.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let gateway: string;
let otherGateway: string;
/** For the same targets as the first. */
let secondGateway: string;
const target = 'shop-production--web';
beforeAll(async () => {
  server = await startTestServer();
  gateway = await server.enrol();
  const other = { organization: 'other', domain: 'other.example', project: 'blog', gateway: 'other-gate' };
  const foreign = await inTransaction(server.database.db, (tx) => createShop(tx, server.clock.now, other));
  const second = await inTransaction(server.database.db, (tx) =>
    createCompanion(tx, {
      organizationId: server.shop.organizationId,
      kind: 'gateway',
      name: 'gate-2',
      address: 'gate-2.example.com',
      port: 2222,
      gatewayLogin: null,
      environmentIds: [server.shop.environmentId],
    }),
  );
  secondGateway = await server.enrol(second);
  otherGateway = await server.enrol(foreign.gatewayId);
  await inTransaction(server.database.db, async (tx) => {
    const { projectId } = server.shop;
    // Not assigned to the gateway.
    const environmentId = await createEnvironment(tx, { projectId, slug: 'staging', kind: 'staging' });
    const appId = await createApp(tx, { environmentId, slug: 'web' });
    const place = { address: '10.1.2.4', port: 22, login: 'deploy', hostId: null };
    await createInstance(tx, { appId, instanceSlug: null, ...place });
  });
});
afterAll(() => server.close());

let people = 0;
let alice: TestPerson;
beforeEach(async () => {
  people += 1;
  await set({ ssh_codes: true, mfa_required: false });
  alice = await server.person(`alice${people}`, 'contributor');
});
afterEach(() => {
  // Into the next window of the limits.
  server.clock.now = new Date(server.clock.now.getTime() + 300_000);
});

const set = (
  values: Partial<{ ssh_codes: boolean; mfa_required: boolean; mfa_max_age_seconds: number | null }>,
) => server.database.db.updateTable('organizations').set(values).execute();
const ask = (as: TestPerson, body: object = {}) =>
  server.call('POST', '/v1/ssh-codes', { as, body: { target, ...body } });
async function code(as: TestPerson = alice, body: object = {}): Promise<SshCodeReply> {
  const reply = await ask(as, body);
  expect([reply.statusCode, reply.body]).toEqual([201, expect.any(String)]);
  return sshCodeReply.parse(reply.json());
}
const verify = async (made: { code: string }, change: Record<string, unknown> = {}, by = gateway) => {
  const body = { code: made.code, target, source_address: '203.0.113.5', ...change };
  return await server.call('POST', '/v1/companions/ssh-codes/verify', { credential: by, body });
};
const accepted = async (...asked: Parameters<typeof verify>) => {
  const reply = await verify(...asked);
  expect([reply.statusCode, reply.body]).toEqual([200, expect.any(String)]);
  return sshCodeVerdict.parse(reply.json()).accepted;
};
const lastRefusal = async () =>
  (
    await server.database.db
      .selectFrom('audit_events')
      .select('facts')
      .where('event', '=', 'ssh_code.refused')
      .orderBy('id', 'desc')
      .limit(1)
      .executeTakeFirstOrThrow()
  ).facts;

describe('a code', () => {
  test('[seeds 11] [seeds 12] is good once, within five minutes, and says what a certificate of the session would', async () => {
    const made = await code();
    expect(made).toMatchObject({ account: alice.account, uses: 1, target });
    expect(made.expires_at - Math.floor(server.clock.now.getTime() / 1000)).toBe(300);
    const verdict = sshCodeVerdict.parse((await verify(made)).json());
    expect(verdict).toMatchObject({
      accepted: true,
      use: { id: expect.any(String), expires_at: Math.floor(server.clock.now.getTime() / 1000) + 3_600 },
      session: {
        account: alice.account,
        organization: 'acme',
        session_id: alice.sessionId,
        mode: 'interactive',
        amr: ['pwd', 'otp'],
        mfa: true,
        mfa_by: 'provider',
        max_role: null,
      },
    });
    expect(await accepted(made)).toBe(false);
    expect(await lastRefusal()).toMatchObject({ code: 'code_unknown', companion: 'gate' });
  });

  test('is kept as a keyed digest: neither the database nor the log has it', async () => {
    const made = await code();
    await verify(made);
    const rows = await server.database.db.selectFrom('ssh_codes').selectAll().execute();
    const events = await server.database.db.selectFrom('audit_events').selectAll().execute();
    const kept = JSON.stringify([rows, events, server.log]);
    expect(kept).not.toContain(made.code);
    expect(kept).not.toContain(made.code.replaceAll('-', ''));
  });

  test('is taken however it is typed', async () => {
    const made = await code();
    expect(await accepted({ ...made, code: ` ${made.code.toLowerCase().replaceAll('-', ' ')} ` })).toBe(true);
  });

  test('[seeds 11] is over after five minutes', async () => {
    const made = await code();
    server.clock.now = new Date(server.clock.now.getTime() + 300_000);
    expect(await accepted(made)).toBe(false);
  });

  test('[seeds 11] may be for several uses, and is good for so many, even all at once', async () => {
    const made = await code(alice, { uses: 3 });
    const verdicts = await Promise.all(Array.from({ length: 5 }, () => accepted(made)));
    expect(verdicts.filter(Boolean)).toHaveLength(3);
  });

  test('is good once, though two machines ask at the same moment', async () => {
    for (let time = 0; time < 5; time += 1) {
      const made = await code();
      const verdicts = await Promise.all([gateway, secondGateway].map((by) => accepted(made, {}, by)));
      expect(verdicts.filter(Boolean)).toHaveLength(1);
    }
  });

  test.each([0, 11, 1.5, '2'])('is never for %j uses', async (uses) => {
    expect((await ask(alice, { uses })).statusCode).toBe(400);
  });

  test('[seeds 11] is for one target only; a try elsewhere does not let in', async () => {
    const made = await code(alice, { target: 'shop-staging--web' });
    expect(await accepted(made)).toBe(false);
    expect(await lastRefusal()).toMatchObject({ code: 'code_for_another_target' });
    expect(await accepted(await code())).toBe(true);
  });

  test('is made for no target that its person has no role on, nor for one that is not', async () => {
    const nobody = await server.person(`nobody${people}`, null);
    const unknown = await ask(nobody, { target: 'shop-production--nothing' });
    const unseen = await ask(nobody, { target });
    const shape = ({ statusCode, json }: typeof unknown) => ({ statusCode, ...json(), request_id: '' });
    expect(shape(unseen)).toEqual(shape(unknown));
    expect(unseen.statusCode).toBe(404);
    const viewer = await server.person(`viewer${people}`, 'viewer');
    const low = await ask(viewer, { target });
    expect([low.statusCode, low.json().reasons]).toEqual([403, ['role_insufficient']]);
  });

  test('says itself whose it is: of two people each is let in as whom their code is of', async () => {
    const bob = await server.person(`bob${people}`, 'contributor');
    const made = [await code(), await code(bob)];
    const verdicts = await Promise.all(made.map(async (one) => (await verify(one)).json()));
    expect(verdicts.map(({ session }) => session.account)).toEqual([alice.account, bob.account]);
  });

  test('[seeds 11] is of at least 128 bits, and names its person and its target', async () => {
    const made = await code();
    expect(made.code.replaceAll('-', '').length * Math.log2(32)).toBeGreaterThanOrEqual(128);
    expect((await server.call('POST', '/v1/ssh-codes', { as: alice, body: {} })).statusCode).toBe(400);
    expect(Buffer.byteLength(made.code)).toBeLessThan(1_024);
  });

  test('is good for the companion’s own targets only', async () => {
    const made = await code();
    expect(await accepted(made, { target: 'shop-staging--web' })).toBe(false);
    expect(await lastRefusal()).toMatchObject({ code: 'target_unknown' });
    expect(await accepted(made, {}, otherGateway)).toBe(false);
    expect(await accepted(made, { target: 'blog-production--web' }, otherGateway)).toBe(false);
    expect(await lastRefusal()).toMatchObject({ code: 'code_for_another_target', companion: 'other-gate' });
    expect(await accepted(made)).toBe(true);
  });

  test('ends with its session', async () => {
    const made = await code();
    await inTransaction(server.database.db, (tx) =>
      endSession(tx, { sessionId: alice.sessionId, reason: 'revoked', by: 'test' }, server.clock.now),
    );
    expect(await accepted(made)).toBe(false);
    expect(await lastRefusal()).toMatchObject({ code: 'session_ended' });
  });

  test('ends when its account is disabled, and when the organization allows codes no more', async () => {
    const made = await code();
    await set({ ssh_codes: false });
    expect(await accepted(made)).toBe(false);
    expect(await lastRefusal()).toMatchObject({ code: 'ssh_codes_refused' });
    await set({ ssh_codes: true });
    await inTransaction(server.database.db, (tx) =>
      disableAccount(tx, { accountId: alice.accountId, by: 'test' }, server.clock.now),
    );
    expect(await accepted(made)).toBe(false);
    expect(await lastRefusal()).toMatchObject({ code: 'account_disabled' });
  });

  test('says nothing of a second factor that is too old for the organization', async () => {
    const wants = (mfa_required: boolean) =>
      server.database.db.updateTable('environments').set({ mfa_required }).execute();
    await set({ mfa_max_age_seconds: 60 });
    await wants(false);
    const old = new Date(server.clock.now.getTime() - 3_600_000);
    const sessionId = await inTransaction(server.database.db, (tx) =>
      startedSession(tx, alice.accountId, server.clock.now, { authTime: old }),
    );
    const verdict = (await verify(await code({ ...alice, sessionId }))).json();
    await set({ mfa_max_age_seconds: null });
    await wants(true);
    expect(verdict).toMatchObject({ accepted: true, session: { mfa: false, mfa_by: null, mfa_methods: [] } });
  });

  test('is swept when it is over', async () => {
    const [over, good] = [await code(alice), await code(alice, { uses: 2 })];
    await verify(over);
    expect(await sweepSshCodes(server.database.db, server.clock.now)).toBeGreaterThan(0);
    expect(await accepted(good)).toBe(true);
    server.clock.now = new Date(server.clock.now.getTime() + 301_000);
    await sweepSshCodes(server.database.db, server.clock.now);
    expect(await server.database.db.selectFrom('ssh_codes').selectAll().execute()).toEqual([]);
  });
});

describe('who gets no code', () => {
  test('[seeds 12] anybody, until the organization allows them', async () => {
    await set({ ssh_codes: false });
    const reply = await ask(alice);
    expect([reply.statusCode, reply.json().reasons]).toEqual([403, ['ssh_codes_refused']]);
  });

  test('[seeds 12] a person without the second factor that the organization requires; the reply says how to step up', async () => {
    await set({ mfa_required: true });
    const sessionId = await inTransaction(server.database.db, (tx) =>
      startedSession(tx, alice.accountId, server.clock.now, { mfa: false, amr: ['pwd'] }),
    );
    const reply = await ask({ ...alice, sessionId });
    expect(reply.statusCode).toBe(401);
    expect(reply.headers['www-authenticate']).toContain('acr_values="mfa"');
    await code();
  });

  test.each(['token', 'ci'] as const)('a session of mode %s', async (kind) => {
    const sessionId = await inTransaction(server.database.db, (tx) =>
      startedSession(tx, alice.accountId, server.clock.now, { kind, mfa: false }),
    );
    expect((await ask({ ...alice, sessionId })).statusCode).toBe(403);
  });

  test('a person who asks for more than twenty in five minutes', async () => {
    for (let time = 0; time < 20; time += 1) await code();
    const reply = await ask(alice);
    expect([reply.statusCode, reply.json().code]).toEqual([429, 'too_many_attempts']);
  });
});

describe('guessing', () => {
  const wrong = (character = '2') => ({ code: character.repeat(28) });
  const countUp = async (bucket: string, count: number) => {
    await server.database.db
      .updateTable('attempts')
      .set({ count })
      .where('bucket', '=', bucket)
      .where('expires_at', '>', server.clock.now)
      .execute();
  };

  test('is over after fifty wrong tries from a place, for the right code too, and the reply does not change', async () => {
    const made = await code();
    await verify(wrong());
    await countUp('ssh-code-source', 49);
    const replies = [await verify(wrong()), await verify(wrong()), await verify(made)];
    expect(new Set(replies.map(({ body }) => body))).toEqual(new Set(['{"accepted":false}']));
    expect(await lastRefusal()).toMatchObject({ code: 'too_many_attempts' });
    expect(await accepted(made, { source_address: '203.0.113.6' })).toBe(true);
  });

  test('starts anew in the next five minutes', async () => {
    await verify(wrong());
    await countUp('ssh-code-source', 60);
    expect(await accepted(await code())).toBe(false);
    server.clock.now = new Date(server.clock.now.getTime() + 300_000);
    expect(await accepted(await code())).toBe(true);
  });

  test('right codes do not count as tries', async () => {
    for (let time = 0; time < 12; time += 1) expect(await accepted(await code())).toBe(true);
    const counted = await server.database.db
      .selectFrom('attempts')
      .select('count')
      .where('bucket', 'like', 'ssh-code-%')
      .where('bucket', '<>', 'ssh-code-made')
      .where('expires_at', '>', server.clock.now)
      .execute();
    expect(counted.every(({ count }) => count === 0)).toBe(true);
  });

  test('from many addresses of one IPv6 network is from one place', async () => {
    await verify(wrong(), { source_address: '2001:db8::1' });
    await countUp('ssh-code-source', 60);
    expect(await accepted(await code(), { source_address: '2001:db8::77' })).toBe(false);
  });

  test('is not what bots do that try passwords, and a flood makes no flood of events', async () => {
    const { db } = server.database;
    const events = async () =>
      (await db.selectFrom('audit_events').select('id').where('event', '=', 'ssh_code.refused').execute())
        .length;
    await verify({ code: 'hunter2' });
    await countUp('ssh-code-source', 49);
    const before = await events();
    for (let time = 0; time < 9; time += 1) await verify({ code: 'hunter2' });
    expect((await events()) - before).toBe(2);
    const counted = await db
      .selectFrom('attempts')
      .select('bucket')
      .where('bucket', 'like', 'ssh-code-%')
      .where('expires_at', '>', server.clock.now)
      .execute();
    expect(counted.map(({ bucket }) => bucket)).toEqual(['ssh-code-source']);
    expect(await accepted(await code(), { source_address: '203.0.113.6' })).toBe(true);
  });

  test('all over the machine is stopped, with the time to wait', async () => {
    await verify(wrong());
    await countUp('ssh-code-companion', 2_000);
    const reply = await verify(await code(), { source_address: '203.0.113.6' });
    expect([reply.statusCode, reply.json().code]).toEqual([429, 'too_many_attempts']);
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('who may ask', () => {
  test('nobody but an enrolled companion', async () => {
    const body = { code: (await code()).code, target };
    const path = '/v1/companions/ssh-codes/verify';
    expect((await server.call('POST', path, { body })).statusCode).toBe(401);
    expect((await server.call('POST', path, { body, as: alice })).statusCode).toBe(401);
    expect(
      (await server.call('POST', path, { body, credential: 'companion_'.padEnd(50, 'x') })).statusCode,
    ).toBe(401);
  });

  test.each([
    [{ account: 'alice@example.com' }],
    [{ target: '*' }],
    [{ source_address: 'somewhere' }],
    [{ code: '' }],
    [{ code: 'x'.repeat(201) }],
    [{ more: 1 }],
  ])('what is asked with %j is refused whole', async (change) => {
    expect((await verify({ code: '2'.repeat(28) }, change)).statusCode).toBe(400);
  });
});
