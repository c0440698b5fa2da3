/**
 * Case 113 here: lists that grow over their budget are cut, for each machine, to what can matter to it, and what is
 * over even so is told. That dense serials are ranges and what the budget is stands in test/ca/current-krl.test.ts; that
 * machines install large lists all the same in test/gateway/krl-files.test.ts.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CompanionState } from '../../src/api/companions.ts';
import { machineList } from '../../src/api/connections.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createFeed } from '../../src/feed/feed.ts';
import { checkState } from '../../src/gateway/check-state.ts';
import { runProgram } from '../../src/gateway/run-program.ts';
import { createAccessRule } from '../../src/inventory/access-rules.ts';
import { createApp } from '../../src/inventory/app.ts';
import { createCompanion } from '../../src/inventory/companion.ts';
import { createEnvironment } from '../../src/inventory/environment.ts';
import { createInstance } from '../../src/inventory/instance.ts';
import { pruneRevokedSerials } from '../../src/revocation/revoked-serials.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { isRevoked, parseKrl } from '../../src/ssh/parse-krl.ts';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { startTestServer, type TestPerson, type TestServer } from '../http/test-server.ts';
import { temporaryFolder } from '../interop/ssh-keygen.ts';
import { type MachineOnFeed, machineOnFeed } from './machine-on-feed.ts';

/** So many scattered serials of one account take 48 KB: two are over the budget of 80 KB, one is not. */
const each = 6_000;
const budget = 80_000;

const folder = temporaryFolder();
let server: TestServer;
/** Reaches both environments. */
let admin: TestPerson;
/** At the first gateway only, at the second only. */
let [bob, carol]: TestPerson[] = [];
let gate: MachineOnFeed;
let other: MachineOnFeed;
let host: MachineOnFeed;
const excesses: [string, number | null][] = [];
/** Revoked serials by account; of bob's hop certificates. */
const revoked = new Map<string, readonly bigint[]>();
let hops: readonly bigint[];

beforeAll(async () => {
  server = await startTestServer();
  const { db } = server.database;
  const { organizationId, projectId, environmentId } = server.shop;
  admin = await server.person('admin', 'admin');
  [bob, carol] = [await server.person('bob', null), await server.person('carol', null)];
  const [otherId, hostId] = await inTransaction(db, async (tx) => {
    const staging = await createEnvironment(tx, { projectId, slug: 'staging', kind: 'staging' });
    const appId = await createApp(tx, { environmentId: staging, slug: 'web' });
    const machine = { organizationId, address: '10.1.2.4', port: 22, gatewayLogin: null };
    const second = await createCompanion(tx, {
      ...machine,
      kind: 'gateway',
      name: 'far',
      environmentIds: [staging],
    });
    const first = await createCompanion(tx, { ...machine, kind: 'host', name: 'web-1', environmentIds: [] });
    const instance = { address: '10.1.2.4', port: 22, login: 'deploy' };
    await createInstance(tx, { ...instance, appId, instanceSlug: null, hostId: null });
    await createInstance(tx, { ...instance, appId: server.shop.appId, instanceSlug: 'one', hostId: first });
    const rule = { organizationId, projectId, role: 'contributor' } as const;
    await createAccessRule(tx, { ...rule, subject: { accountId: bob?.accountId ?? '' }, environmentId });
    const ofCarol = { accountId: carol?.accountId ?? '' };
    await createAccessRule(tx, { ...rule, subject: ofCarol, environmentId: staging });
    return [second, first];
  });
  gate = await machineOnFeed(server, server.shop.gatewayId, folder.path('gate'));
  other = await machineOnFeed(server, otherId, folder.path('other'));
  host = await machineOnFeed(server, hostId, folder.path('host'));
  for (const person of [bob, carol]) {
    if (person) revoked.set(person.account, await issueAndEnd(person, 'user'));
  }
  hops = bob ? await issueAndEnd(bob, 'hop', 20) : [];
  const feed = await createFeed({
    database: server.database,
    authority: server.authority,
    publicUrl: server.publicUrl,
    clock: () => server.clock.now,
    onError: (error) => {
      throw error;
    },
    onKrlExcess: (companion, excess) => excesses.push([companion, excess]),
  });
  for (const machine of [gate, other, host]) await machine.listen(feed);
  return async () => await feed.close();
});
afterAll(() => server.close());

let nextSerial = 1_000_003n;

/** Certificates of a login whose serials lie far apart, and the login's end. */
async function issueAndEnd(person: TestPerson, kind: 'user' | 'hop', count = each): Promise<bigint[]> {
  const { db } = server.database;
  const { id } = await db
    .selectFrom('ca_keys')
    .select('id')
    .where('purpose', '=', kind)
    .executeTakeFirstOrThrow();
  const { sessionId, accountId, account } = await again(person);
  const serials = Array.from({ length: count }, () => (nextSerial += 1_000_003n));
  const now = server.clock.now.getTime();
  for (let from = 0; from < count; from += 2_000) {
    await db
      .insertInto('certificates')
      .values(
        serials.slice(from, from + 2_000).map((serial) => ({
          serial,
          kind,
          ca_key_id: id,
          account_id: accountId,
          session_id: sessionId,
          key_id: `${account}/${sessionId}`,
          public_key: Buffer.alloc(51, 1),
          principals: [account],
          valid_after: new Date(now - 60_000),
          valid_before: new Date(now + 3_600_000),
          to_be_signed: Buffer.from(`${serial}`),
          decision: JSON.stringify({}),
        })),
      )
      .execute();
  }
  await inTransaction(db, (tx) =>
    endSession(tx, { sessionId, reason: 'revoked', by: 'test' }, server.clock.now),
  );
  return serials;
}

/** Another login of the same person. */
async function again({ account }: TestPerson): Promise<TestPerson> {
  return await server.person(account.split('@')[0] ?? '', null);
}

const current = (state: CompanionState, machine: MachineOnFeed) => {
  const { version } = state;
  return version === machine.installer.installed?.version;
};

/** What the newest state of a machine holds, once it has installed it. */
async function newest(machine: MachineOnFeed): Promise<{ state: CompanionState; bytes: number }> {
  const { version } = await server.database.db
    .selectFrom('state_version')
    .select('version')
    .executeTakeFirstOrThrow();
  const state = await machine.installed((found) => BigInt(found.version) >= BigInt(version));
  expect(machine.problems).toEqual([]);
  expect(current(state, machine)).toBe(true);
  return { state, bytes: Buffer.from(state.krl.data, 'base64').length };
}

/** Which of these serials of a CA the machine's list revokes: all, none or some. */
function listed(state: CompanionState, serials: readonly bigint[], ca: 'user' | 'hop' = 'user') {
  const krl = parseKrl(Buffer.from(state.krl.data, 'base64'));
  const purpose = (line: string) => line.includes(`sallyport ${ca} CA`);
  const lines = [...state.user_authorities, ...(state.hop_authorities ?? [])].map(
    ({ public_key }) => public_key,
  );
  const key = parsePublicKeyLine(lines.find(purpose) ?? '').blob;
  const found = serials.filter((serial) => isRevoked(krl, key, serial)).length;
  return found === 0 ? 'none' : found === serials.length ? 'all' : 'some';
}

const serialsOf = (person: TestPerson | undefined) => revoked.get(person?.account ?? '') ?? [];

test('[abuse 113] where the whole list is over 80 KB, each machine has what matters to it, in the same version, and OpenSSH reads it', async () => {
  const whole = await server.authority.currentKrl();
  expect(whole.budget.bytes).toBeGreaterThan(budget);
  const [atGate, atOther, atHost] = [await newest(gate), await newest(other), await newest(host)];
  for (const { state, bytes } of [atGate, atOther, atHost]) {
    expect(bytes).toBeLessThan(budget);
    expect(state.krl.version).toBe(whole.version);
    const krl = parseKrl(Buffer.from(state.krl.data, 'base64'));
    for (const { canary } of [...state.user_authorities, ...(state.hop_authorities ?? [])]) {
      const { caPublicKey, serial } = parseCertificateLine(canary);
      expect(isRevoked(krl, caPublicKey, serial)).toBe(true);
    }
  }
  expect(listed(atGate.state, serialsOf(bob))).toBe('all');
  expect(listed(atGate.state, serialsOf(carol))).toBe('none');
  expect(listed(atOther.state, serialsOf(bob))).toBe('none');
  expect(listed(atOther.state, serialsOf(carol))).toBe('all');
  expect(listed(atHost.state, serialsOf(bob))).toBe('all');
  // Whom a list does not name is a stranger to the machine.
  expect(atGate.state.accounts.map(({ name }) => name)).not.toContain(carol?.account);

  const file = gate.paths.revokedKeys;
  const { stdout } = await runProgram('/usr/bin/ssh-keygen', ['-Q', '-l', '-f', file]);
  const [first = 0n] = serialsOf(bob);
  expect(stdout).toContain(`serial: ${first}`);
});

test('[abuse 113] what a hop CA signed is listed on hosts only', async () => {
  const krl = parseKrl(Buffer.from((await newest(gate)).state.krl.data, 'base64'));
  const [hopAuthority] = await server.authority.hopAuthorities();
  const key = parsePublicKeyLine(hopAuthority?.publicKeyLine ?? '').blob;
  expect(hops.filter((serial) => isRevoked(krl, key, serial))).toEqual([]);
  expect(listed((await newest(host)).state, hops, 'hop')).toBe('all');
});

test('[abuse 113] who is given access is in the list of the machine from that state on, under the same version of the list', async () => {
  const before = (await newest(other)).state;
  const { organizationId, projectId } = server.shop;
  const rule = await inTransaction(server.database.db, (tx) =>
    createAccessRule(tx, {
      organizationId,
      projectId,
      subject: { accountId: bob?.accountId ?? '' },
      role: 'viewer',
    }),
  );
  const { state: after, bytes } = await newest(other);
  expect(after.krl.version).toBe(before.krl.version);
  expect([listed(after, serialsOf(bob)), listed(after, serialsOf(carol))]).toEqual(['all', 'all']);

  // Now it is over the budget for this machine too: it is whole, and somebody is told.
  expect(bytes).toBeGreaterThan(budget);
  expect(excesses).toEqual([['far', bytes - budget]]);
  const machines = machineList.parse((await server.call('GET', '/v1/companions', { as: admin })).json());
  const excessOf = (machine: string) =>
    machines.companions.find(({ name }) => name === machine)?.krl_excess_bytes;
  expect([excessOf('far'), excessOf('gate')]).toEqual([bytes - budget, null]);
  const page = await server.call('GET', '/console/companions', { cookie: admin.cookie });
  expect(page.body).toContain(`${bytes - budget} bytes over the budget`);

  // The list that is cut to fewer accounts is no list for this state: somebody could put it there.
  const { krl } = before;
  const expected = {
    companionId: other.companionId,
    domain: server.publicUrl.hostname,
    pinned: after.user_authorities.map(({ public_key }) => public_key),
    compromised: [],
    versions: { state: 0n, krl: 0n },
    hostPublicKey: hostKeyOf(after),
  };
  expect(() => checkState(after, expected)).not.toThrow();
  expect(() => checkState({ ...after, krl }, expected)).toThrow(/cut to other accounts/);
  await inTransaction(server.database.db, async (tx) => {
    await tx.deleteFrom('access_rules').where('id', '=', rule).execute();
  });
});

test('[abuse 113] entries leave with their certificates, and the list of every machine is the whole one again', async () => {
  await inTransaction(server.database.db, (tx) =>
    pruneRevokedSerials(tx, new Date(server.clock.now.getTime() + 2 * 3_600_000)),
  );
  const whole = await server.authority.currentKrl();
  for (const machine of [gate, other, host]) {
    const { state } = await newest(machine);
    expect(state.krl.data).toBe(whole.data.toString('base64'));
  }
  expect(excesses.at(-1)).toEqual(['far', null]);
});

function hostKeyOf({ host_certificate }: CompanionState): string {
  const { publicKey } = parseCertificateLine(host_certificate);
  return `ssh-ed25519 ${publicKey.toString('base64')}`;
}
