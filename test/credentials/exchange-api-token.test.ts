import type { KyselyPlugin, UnknownRow } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { disableAccount } from '../../src/accounts/account.ts';
import { newApiTokenText } from '../../src/credentials/api-token-text.ts';
import { exchangeApiToken } from '../../src/credentials/exchange-token.ts';
import { revokeAllApiTokens, revokeApiToken } from '../../src/credentials/revoke-api-token.ts';
import { tokenHash } from '../../src/secrets/token.ts';
import { lockLiveSession } from '../../src/sessions/lock-live-session.ts';
import { createCaKey, storeCertificate } from '../sessions/login.ts';
import { caller, type MachineWorld, startMachineWorld } from './machine-world.ts';

let world: MachineWorld;
beforeAll(async () => {
  world = await startMachineWorld();
});
afterAll(() => world.close());
beforeEach(() => {
  world.time.now = new Date();
});

const exchange = (token: string, change = {}) => exchangeApiToken(world, { ...caller, token, ...change });
const seconds = (date: Date) => Math.floor(date.getTime() / 1000);
const expectRefused = async (token: string, change = {}) =>
  await expect(exchange(token, change)).rejects.toMatchObject({
    code: 'grant_invalid',
    message: expect.stringContaining(
      'unknown, has expired, was revoked, or may not be used from this address',
    ),
  });

describe('a good API token', () => {
  test('gives a session of mode token, of its owner and role, bound to the key, without any second factor', async () => {
    const { text, token } = await world.token({ roleLimit: 'viewer' });
    const { sessionId, accountId } = await exchange(text);
    expect(accountId).toBe(world.shop.accountId);
    const session = await world.in((tx) => lockLiveSession(tx, sessionId, 'share', world.time.now));
    expect(session).toMatchObject({
      kind: 'token',
      issuer: 'https://ssh.example.com',
      credentialId: token.id,
      dpopJkt: caller.dpopJkt,
      facts: {
        mode: 'token',
        roleLimit: 'viewer',
        assurance: { mfa: false, mfaBy: null, amr: [], mfaMethods: [] },
      },
    });
  });

  test('gives a session for an hour, and never beyond its own end', async () => {
    const long = await world.token();
    const short = await world.token({ lifeSeconds: 600 });
    const left = async (text: string) => seconds((await exchange(text)).expiresAt) - seconds(world.time.now);
    expect([await left(long.text), await left(short.text)]).toEqual([3600, 600]);
  });

  test('is stored as its digest: the text is nowhere in the database', async () => {
    const { text } = await world.token();
    await exchange(text);
    const rows = await world.database.db.selectFrom('api_tokens').selectAll().execute();
    const events = await world.database.db.selectFrom('audit_events').selectAll().execute();
    const kept = JSON.stringify([rows, events]);
    expect(kept).not.toContain(text.slice(-30));
    expect(rows.some(({ token_hash }) => token_hash.equals(tokenHash(text)))).toBe(true);
  });

  test('remembers when and from where it was used, at most once a minute', async () => {
    const { text, token } = await world.token();
    const use = async () =>
      await world.database.db
        .selectFrom('api_tokens')
        .select(['last_used_at', 'last_used_address'])
        .where('id', '=', token.id)
        .executeTakeFirstOrThrow();
    await exchange(text);
    const first = await use();
    expect(first).toEqual({ last_used_at: world.time.now, last_used_address: '192.0.2.7' });
    world.time.now = new Date(world.time.now.getTime() + 59_000);
    await exchange(text, { address: '192.0.2.8' });
    expect(await use()).toEqual(first);
    world.time.now = new Date(world.time.now.getTime() + 1_000);
    await exchange(text, { address: '192.0.2.8' });
    expect(await use()).toEqual({ last_used_at: world.time.now, last_used_address: '192.0.2.8' });
  });

  test('is good within its source ranges', async () => {
    const { text } = await world.token({ sourceRanges: ['192.0.2.0/24', '2001:db8::/32'] });
    await exchange(text);
    await exchange(text, { address: '2001:db8::9' });
  });

  test('may be of a machine account, if an admin makes it', async () => {
    const { text } = await world.token({ owner: 'deploy@example.com' });
    expect((await exchange(text)).accountId).toBe(world.machineId);
  });
});

describe('an API token that is none', () => {
  test('[abuse 88] truncated, extended or with one letter in another case is refused, whatever its checksum says', async () => {
    const { text } = await world.token();
    const swapped = text.replace(/[a-z](?=[^a-z]*$)/, (letter) => letter.toUpperCase());
    expect(swapped).not.toBe(text);
    const almost = [
      ...[1, 2, 6, 10, 40].map((cut) => text.slice(0, -cut)),
      ...['0', '\n', ' ', '\0', '=', 'x'.repeat(300)].map((more) => text + more),
      ...[
        ` ${text}`,
        text.slice(1),
        text.replace('sallyport_', ''),
        text.replace('sallyport_', 'SALLYPORT_'),
      ],
      ...[swapped, text.toLowerCase(), text.toUpperCase(), ''],
    ];
    for (const other of almost) await expectRefused(other);
    await exchange(text);
  });

  test('is told the same, by the same statements, whether it is unknown, malformed, expired, revoked, of a disabled owner or from elsewhere', async () => {
    const expired = await world.token({ lifeSeconds: 300 });
    const revoked = await world.token();
    const elsewhere = await world.token({ sourceRanges: ['198.51.100.0/24'] });
    const disabled = await world.token({ owner: 'deploy@example.com' });
    const within = { organizationId: world.shop.organizationId };
    await world.in((tx) =>
      revokeApiToken(tx, { id: revoked.token.id, within, by: 'alice@example.com' }, world.time.now),
    );
    await world.in((tx) => disableAccount(tx, { accountId: world.machineId, by: 'test' }, world.time.now));
    world.time.now = new Date(world.time.now.getTime() + 300_000);
    try {
      const tried = {
        unknown: newApiTokenText(),
        malformed: 'sallyport_1',
        expired: expired.text,
        revoked: revoked.text,
        owner_disabled: disabled.text,
        source_refused: elsewhere.text,
      };
      const seen: { message: string; code: string; statements: string[] }[] = [];
      for (const token of Object.values(tried)) {
        const statements: string[] = [];
        const counted = { ...world.database, db: world.database.db.withPlugin(noting(statements)) };
        const error = await exchangeApiToken({ ...world, database: counted }, { ...caller, token }).catch(
          (e) => e,
        );
        seen.push({ message: error.message, code: error.code, statements });
      }
      const [first, ...others] = seen;
      expect(first?.statements).toEqual(['SelectQueryNode', 'InsertQueryNode', 'InsertQueryNode']);
      for (const other of others) expect(other).toEqual(first);
    } finally {
      await world.database.db.updateTable('accounts').set({ disabled_at: null }).execute();
    }
  });

  test('leaves the true reason in the audit log, and never the token', async () => {
    const { text, token } = await world.token({ sourceRanges: ['198.51.100.0/24'] });
    await expectRefused(text, { address: '192.0.2.99' });
    const [event] = (await world.events('api_token.refused')).slice(-1);
    expect(event).toEqual({ code: 'source_refused', name: token.name, client_address: '192.0.2.99' });
  });

  test('that was cut off while it was copied is on record as such', async () => {
    const { text } = await world.token();
    await expectRefused(text.slice(0, -1), { address: '192.0.2.98' });
    const [event] = (await world.events('api_token.refused')).slice(-1);
    expect(event).toEqual({ code: 'malformed', client_address: '192.0.2.98' });
  });

  test('fills the audit log only so far from one address', async () => {
    const before = (await world.events('api_token.refused')).length;
    for (let time = 0; time < 33; time += 1)
      await expectRefused(newApiTokenText(), { address: '203.0.113.9' });
    expect((await world.events('api_token.refused')).length - before).toBe(30);
  });
});

describe('revoking', () => {
  test('ends the sessions that the token gave and revokes their certificates, in one transaction; others live', async () => {
    const [one, other] = [await world.token(), await world.token()];
    const [first, second, third] = [
      await exchange(one.text),
      await exchange(one.text),
      await exchange(other.text),
    ];
    const validBefore = new Date(world.time.now.getTime() + 3_600_000);
    const serial = await world.in(async (tx) =>
      storeCertificate(tx, { caKeyId: await createCaKey(tx), sessionId: first.sessionId, validBefore }),
    );
    const asked = { id: one.token.id, within: { accountId: world.shop.accountId }, by: 'alice@example.com' };
    const revoked = await world.in((tx) => revokeApiToken(tx, asked, world.time.now));
    expect(revoked.sessionsEnded).toBe(2);
    const rows = await world.database.db
      .selectFrom('login_sessions')
      .select(['id', 'ended_reason'])
      .execute();
    const reasonOf = (id: string) => rows.find((row) => row.id === id)?.ended_reason;
    expect([first, second, third].map(({ sessionId }) => reasonOf(sessionId))).toEqual([
      'credential_revoked',
      'credential_revoked',
      null,
    ]);
    const serials = await world.database.db.selectFrom('revoked_serials').select('serial').execute();
    expect(serials.map((row) => BigInt(row.serial))).toContain(serial);
    await expectRefused(one.text);
    await exchange(other.text);
  });

  test('twice changes nothing more', async () => {
    const { token } = await world.token();
    const asked = { id: token.id, within: { accountId: world.shop.accountId }, by: 'alice@example.com' };
    await world.in((tx) => revokeApiToken(tx, asked, world.time.now));
    const events = (await world.events('api_token.revoked')).length;
    expect(await world.in((tx) => revokeApiToken(tx, asked, world.time.now))).toEqual({
      sessionsEnded: 0,
      version: null,
    });
    expect(await world.events('api_token.revoked')).toHaveLength(events);
  });

  test('all at once, after a restored backup: each that is live', async () => {
    const one = await world.token();
    const before = await world.database.db
      .selectFrom('api_tokens')
      .select('id')
      .where('revoked_at', 'is', null)
      .where('expires_at', '>', world.time.now)
      .execute();
    expect(await world.in((tx) => revokeAllApiTokens(tx, { by: 'operator' }, world.time.now))).toBe(
      before.length,
    );
    await expectRefused(one.text);
  });

  test("somebody else's token is as unknown as one that never was", async () => {
    const { token } = await world.token();
    const asked = { id: token.id, within: { accountId: world.machineId }, by: 'mallory@example.com' };
    await expect(world.in((tx) => revokeApiToken(tx, asked, world.time.now))).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});

describe('where the organization wants people only', () => {
  test('a good token is refused, and told why', async () => {
    const { text } = await world.token();
    await world.database.db.updateTable('organizations').set({ machine_access: false }).execute();
    await expect(exchange(text)).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('gives no certificates to API tokens'),
    });
    await world.database.db.updateTable('organizations').set({ machine_access: true }).execute();
  });
});

describe('making one', () => {
  test('a name is good for one live token of an account', async () => {
    await world.token({ name: 'backup' });
    await expect(world.token({ name: 'backup' })).rejects.toMatchObject({ code: 'name_taken' });
    await world.token({ name: 'backup', owner: 'deploy@example.com' });
  });

  test('only admins make them for machines, and nobody for other people', async () => {
    const { organizationId, accountId } = world.shop;
    const creator = { accountId, account: 'alice@example.com', organizationId, role: 'contributor' as const };
    await expect(world.token({ creator, owner: 'deploy@example.com' })).rejects.toMatchObject({
      code: 'forbidden',
    });
    const admin = { ...creator, account: 'adam@example.com', role: 'admin' as const };
    await expect(world.token({ creator: admin, owner: 'alice@example.com' })).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  test('source ranges that sshd could not read are refused', async () => {
    await expect(world.token({ sourceRanges: ['192.0.2.1/24'] })).rejects.toMatchObject({
      code: 'request_malformed',
    });
  });
});

/** Notes the kinds of statements, without their parameters. */
function noting(statements: string[]): KyselyPlugin {
  return {
    transformQuery: ({ node }) => {
      statements.push(node.kind);
      return node;
    },
    transformResult: async ({ result }) => result as { rows: UnknownRow[] },
  };
}
