/**
 * From an admin's request to the last acknowledgement, with 1,000 machines connected: a real server on a real Postgres,
 * whose data are on this machine's disk, and machines in a process of their own that hear the feed over real connections
 * and acknowledge as a companion does. Needs Postgres. `--runs N`, `--machines N`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { accountForIdentity } from '../src/accounts/account-for-identity.ts';
import type { Database } from '../src/database/database.ts';
import { migrateToLatest } from '../src/database/migrate.ts';
import { openPostgres } from '../src/database/open-postgres.ts';
import { inTransaction } from '../src/database/transaction.ts';
import { csrfTokenFor } from '../src/http/session-cookie.ts';
import { createAccessRule } from '../src/inventory/access-rules.ts';
import { createAuthorizationServerKeys } from '../src/oauth/keys.ts';
import { readStateVersion } from '../src/revocation/state-version.ts';
import { createSealer, newSealingKey } from '../src/secrets/seal.ts';
import { newToken, tokenHash } from '../src/secrets/token.ts';
import { startServer } from '../src/server/start-server.ts';
import { heldInMemory, memorySigner } from '../test/ca/sample-authority.ts';
import { postgresPrograms, startPostgresCluster } from '../test/database/postgres-cluster.ts';
import { enrolMany } from '../test/feed/many-machines.ts';
import { createShop, issuer } from '../test/inventory/shop.ts';
import { startedSession } from '../test/sessions/login.ts';
import { monotonicMilliseconds } from './measure.ts';
import type { News, Task } from './simulated-machines.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100' },
    machines: { type: 'string', default: '1000' },
  },
});
const runs = Number(values.runs);
const machines = Number(values.machines);
const people = 200;
const limitMilliseconds = 1_000;

const programs = await postgresPrograms();
if (programs === undefined) throw new Error('Postgres is not installed: apt-get install postgresql');
const cluster = await startPostgresCluster(programs, undefined, { durable: true });
try {
  const database = await openPostgres({ url: cluster.url('postgres') });
  await migrateToLatest(database.db);
  const now = new Date();
  const shop = await inTransaction(database.db, (tx) => createShop(tx, now));
  const accountIds = await makePeople(database.db, shop.organizationId, now);
  const admin = await makeAdmin(database.db, shop.organizationId, now);
  const { credentials } = await enrolMany(database.db, shop, { count: machines, now });
  const port = await freePort();
  const publicUrl = new URL(`http://localhost:${port}`);
  const held = heldInMemory({ user: memorySigner(), host: memorySigner() });
  const server = await startServer({
    database,
    keys: {
      openSigner: (uri) => held.openSigner(uri.replace(/^file:(user|host|hop)_ca\.pem$/, 'memory:$1')),
      createKey: held.createKey,
      oauth: await createAuthorizationServerKeys(),
      sealer: createSealer([newSealingKey()]),
    },
    publicUrl,
    listen: { host: '127.0.0.1', port },
    identityProviders: [],
    acceptDemoIdentityProvider: false,
    trustedProxies: [],
    operators: [],
    logger: { level: 'info', stream: { write: () => {} } },
    clock: () => new Date(),
  });
  const child = fork(join(import.meta.dirname, 'simulated-machines.ts'));
  try {
    const before = memoryInUse();
    const origin = `http://127.0.0.1:${port}`;
    const begin = performance.now();
    child.send({ origin, host: publicUrl.host, credentials } satisfies Task);
    await nextNews(child, ({ kind }) => kind === 'connected');
    print(
      `${machines} machines connected, each with its first certificate, in ${(performance.now() - begin).toFixed(0)} ms`,
    );
    await wait(2_000);
    print(`memory of a stream: ${((memoryInUse() - before) / machines / 1024).toFixed(1)} KB`);
    await measure(child, { db: database.db, accountIds, admin, publicUrl, origin });
  } finally {
    child.kill();
    await once(child, 'exit');
    await server.close();
    await database.close();
  }
} finally {
  await cluster.stop();
}

interface Stage {
  readonly db: Database;
  readonly accountIds: readonly string[];
  /** The secret of the admin's console session. */
  readonly admin: string;
  readonly publicUrl: URL;
  readonly origin: string;
}

async function measure(child: ChildProcess, stage: Stage): Promise<void> {
  const each: number[] = [];
  const last: number[] = [];
  const processor = { ours: 0, firstOfMachines: 0, lastOfMachines: 0 };
  for (let run = 0; run < runs; run += 1) {
    const sessionId = await inTransaction(stage.db, (tx) =>
      startedSession(tx, stage.accountIds[run % stage.accountIds.length] ?? '', new Date()),
    );
    const { version } = await readStateVersion(stage.db);
    const heard = nextNews(child, (one) => one.kind === 'acknowledged' && BigInt(one.version) > version);
    const sent = monotonicMilliseconds();
    const used = process.cpuUsage();
    await endSession(stage, sessionId);
    const news = await heard;
    const { user, system } = process.cpuUsage(used);
    processor.ours += user + system;
    if (news.kind !== 'acknowledged') continue;
    processor.firstOfMachines ||= news.processorMicroseconds;
    processor.lastOfMachines = news.processorMicroseconds;
    const taken = news.at.map((moment) => moment - sent);
    each.push(...taken);
    last.push(Math.max(...taken));
    // Nothing of this one is the next one's burden.
    await wait(100);
  }
  const ours = (processor.ours / runs / 1000).toFixed(0);
  const theirs = ((processor.lastOfMachines - processor.firstOfMachines) / (runs - 1) / 1000).toFixed(0);
  print(`${runs} revocations, each ${ours} ms of the server’s processor time, ${theirs} ms of the machines’`);
  print(`load of the machine: ${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} processors`);
  print(distribution('request to a machine’s acknowledgement', each));
  print(distribution('request to the last acknowledgement', last));
  const ratio = at(last, 0.99) / limitMilliseconds;
  print(`limit ${limitMilliseconds} ms for the p99 of the last, ratio ${ratio.toFixed(2)}`);
  process.exitCode = ratio < 1 ? 0 : 1;
}

/** As the console's button does. */
async function endSession({ admin, publicUrl, origin }: Stage, sessionId: string): Promise<void> {
  const call = request(`${origin}/console/sessions/${sessionId}/end`, {
    method: 'POST',
    headers: {
      host: publicUrl.host,
      origin: publicUrl.origin,
      cookie: `sallyport-session=${admin}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
  });
  call.end(`csrf_token=${csrfTokenFor(admin)}`);
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  response.resume();
  if (response.statusCode !== 303) throw new Error(`the console answered ${response.statusCode}`);
}

/** Accounts with a rule each, a session or two of whom end. */
async function makePeople(db: Database, organizationId: string, now: Date): Promise<string[]> {
  const ids: string[] = [];
  for (let number = 1; number <= people; number += 1) {
    await inTransaction(db, async (tx) => {
      const { accountId } = await accountForIdentity(tx, identityOf(`person-${number}`), now);
      await createAccessRule(tx, { organizationId, subject: { accountId }, role: 'contributor' });
      ids.push(accountId);
    });
  }
  return ids;
}

async function makeAdmin(db: Database, organizationId: string, now: Date): Promise<string> {
  const secret = newToken('console');
  await inTransaction(db, async (tx) => {
    const { accountId } = await accountForIdentity(tx, identityOf('admin'), now);
    await createAccessRule(tx, { organizationId, subject: { accountId }, role: 'admin' });
    await startedSession(tx, accountId, now, { kind: 'browser', cookieHash: tokenHash(secret) });
  });
  return secret;
}

function identityOf(name: string) {
  return {
    issuer,
    subject: name,
    accountName: `${name}@example.com`,
    displayName: name,
    groups: [],
    organizationSlug: 'acme',
  };
}

async function nextNews(child: ChildProcess, isWanted: (news: News) => boolean): Promise<News> {
  for (;;) {
    const [news] = (await once(child, 'message')) as [News];
    if (isWanted(news)) return news;
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Bytes that are not garbage. */
function memoryInUse(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function at(measured: readonly number[], part: number): number {
  const sorted = [...measured].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

function distribution(name: string, measured: readonly number[]): string {
  const [p50, p99, most] = [0.5, 0.99, 1].map((part) => at(measured, part).toFixed(0));
  return `${name}: p50 ${p50} ms, p99 ${p99} ms, max ${most} ms`;
}

function print(line: string): void {
  console.log(line);
}
