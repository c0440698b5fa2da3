/**
 * Runs concurrent work against Postgres in every order that its statements can come in. Each statement of the watched
 * connections waits until the scheduler lets it go; the scheduler lets one go at a time, and goes on when it has been
 * answered or Postgres says that it waits for a lock. Depth first, the last choice is changed until none is left.
 */
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Database } from '../../src/database/database.ts';
import { reportingPool } from '../../src/database/reporting-pool.ts';
import type { Tables } from '../../src/database/rows.ts';

/**
 * Not held back: what comes to the same whatever comes before or after it, since nothing that runs here writes what it
 * reads or reads what it writes. Every order of the others stands for all orders of these.
 */
const ofNoConcern: readonly RegExp[] = [
  // In read committed each statement sees what is committed when it begins, not when its transaction did.
  /^start transaction/,
  // Sent at the commit, to listeners that there are none of.
  /^select pg_notify/,
  // Names, groups and organizations, which stay as they are.
  /^select "accounts"/,
  // Which apps let agents be forwarded: the inventory, which stays as it is.
  /^select "organizations"\."id" as "organization_id"/,
  /^insert into "audit_events"/,
  // What the identity provider gave for a session; nobody who issues looks at it.
  /^delete from "upstream_grants"/,
  // Of the certificates that the statement before has revoked, which stay as they are.
  /^select "session_id", count\(\*\)/,
  // The locks of keys that are certified; here everybody asks for another one.
  /^select pg_advisory_xact_lock\(\$1::integer, number\)/,
];
const changesSomething = /^(insert|update|delete)|\bfor (no key )?update/;
const endsTransaction = /^(commit|rollback)/;
/** Longer than a statement takes that waits for nobody; only then Postgres is asked whether this one waits. */
const patienceMilliseconds = 2;

interface Choice {
  readonly open: readonly string[];
  chosen: number;
}

export interface Replica {
  readonly db: Database;
}

export interface Interleavings {
  /**
   * A connection pool of one replica; its connections are called `<name>1`, `<name>2` and so on. `rewrite` makes its
   * statements wrong, to see that it is noticed.
   */
  replica(name: string, connections: number, rewrite?: (statement: string) => string): Replica;
  /** Runs `begin` again and again, until it was done in every order. Returns how many there were. */
  all(begin: () => Promise<Run>): Promise<number>;
  close(): Promise<void>;
}

export interface Run {
  /** What goes on at once. Rejections are results like others. */
  readonly actors: readonly (() => Promise<unknown>)[];
  /** The replica whose first transaction is none of the matter: nothing of it is held back. */
  readonly freeUntilCommit?: string;
  /** Asserts what must hold whatever the order was. */
  check(results: readonly PromiseSettledResult<unknown>[], order: readonly string[]): Promise<void>;
}

export function interleavingsOn(url: string): Interleavings {
  const pools: pg.Pool[] = [];
  const monitor = new pg.Pool({ connectionString: url, max: 1 });
  let names = new Map<pg.PoolClient, string>();
  /** Statements that were asked for, and what lets them go. */
  const waiting = new Map<string, () => void>();
  /** Statements under way, and the backend's process. */
  const underWay = new Map<string, number>();
  const blocked = new Set<string>();
  /** Connections whose transaction holds a lock or has written something. */
  const concerned = new Set<pg.PoolClient>();
  let free: string | undefined;
  let holding = false;
  let changed = Promise.withResolvers<void>();

  function change(): void {
    changed.resolve();
    changed = Promise.withResolvers();
  }

  /** Resolves when the scheduler lets it go. */
  async function turnOf(name: string): Promise<void> {
    if (waiting.has(name) || underWay.has(name)) throw new Error(`${name} is at two places at once`);
    await new Promise<void>((resolve) => {
      waiting.set(name, resolve);
      change();
    });
  }

  async function underWayAs<Result>(
    name: string,
    processId: number,
    work: () => Promise<Result>,
  ): Promise<Result> {
    underWay.set(name, processId);
    try {
      return await work();
    } finally {
      underWay.delete(name);
      blocked.delete(name);
      change();
    }
  }

  function watch(client: pg.PoolClient, replica: string, rewrite: (statement: string) => string): void {
    const query = client.query.bind(client) as (...all: unknown[]) => Promise<unknown>;
    const processId = (client as unknown as { processID: number }).processID;
    client.query = (async (written: string, ...parameters: unknown[]) => {
      const statement = rewrite(written);
      if (!holding) return await query(statement, ...parameters);
      const name = names.get(client) ?? nameOfNext(replica);
      names.set(client, name);
      // A transaction that has locked and written nothing ends without anybody's notice.
      const concernsNobody =
        ofNoConcern.some((one) => one.test(statement)) ||
        (endsTransaction.test(statement) && !concerned.has(client));
      if (replica !== free && !concernsNobody) await turnOf(name);
      return await underWayAs(name, processId, async () => {
        const answer = (await query(statement, ...parameters)) as { rowCount: number | null };
        if (changesSomething.test(statement) && answer.rowCount !== 0) concerned.add(client);
        if (endsTransaction.test(statement)) {
          concerned.delete(client);
          // Whoever waited for this transaction's locks may have them now.
          blocked.clear();
          if (replica === free) free = undefined;
        }
        return answer;
      });
    }) as typeof client.query;
  }

  function nameOfNext(replica: string): string {
    const used = [...names.values()].filter((name) => name.startsWith(replica));
    return `${replica}${used.length + 1}`;
  }

  /** Resolves when all that was let go is answered or waits for a lock, and all code has come to its next statement. */
  async function settled(): Promise<void> {
    for (;;) {
      await turns();
      const going = [...underWay].filter(([name]) => !blocked.has(name));
      if (going.length === 0) return;
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        change();
      }, patienceMilliseconds);
      await changed.promise;
      clearTimeout(timer);
      if (!late) continue;
      const { rows } = await monitor.query<{ pid: number }>(
        'select pid from pg_locks where not granted and pid = any($1)',
        [going.map(([, processId]) => processId)],
      );
      const waitingNow = new Set(rows.map(({ pid }) => pid));
      for (const [name, processId] of going) {
        if (underWay.get(name) === processId && waitingNow.has(processId)) blocked.add(name);
      }
    }
  }

  async function once(run: Run, path: readonly number[]): Promise<Choice[]> {
    const choices: Choice[] = [];
    const order: string[] = [];
    names = new Map();
    free = run.freeUntilCommit;
    holding = true;
    let left = run.actors.length;
    const actors = run.actors.map((actor) =>
      actor().finally(() => {
        left -= 1;
        change();
      }),
    );
    const results = Promise.allSettled(actors);
    try {
      await schedule();
    } finally {
      // After a fault everybody may go, so that connections can be closed.
      holding = false;
      for (const go of waiting.values()) go();
      waiting.clear();
    }
    await run.check(await results, order);
    return choices;

    async function schedule(): Promise<void> {
      while (left > 0) {
        const something = changed.promise;
        await settled();
        if (left === 0) break;
        const open = [...waiting.keys()].sort();
        // All of them wait for locks, or for what is not held back yet.
        if (open.length === 0) {
          blocked.clear();
          await Promise.race([something, turns()]);
          continue;
        }
        const chosen = path[choices.length] ?? 0;
        const name = open[chosen];
        if (name === undefined)
          throw new Error(`not the same the second time: ${order.join(' ')}, then ${open.join(', ')}`);
        choices.push({ open, chosen });
        order.push(name);
        const go = waiting.get(name);
        waiting.delete(name);
        // It says itself what it is; until then it is at least no longer waiting.
        underWay.set(name, 0);
        go?.();
      }
    }
  }

  return {
    replica: (name, connections, rewrite = (statement) => statement) => {
      const pool = new pg.Pool({ connectionString: url, max: connections, idleTimeoutMillis: 0 });
      pool.on('error', () => {});
      pool.on('connect', (client) => watch(client, name, rewrite));
      pools.push(pool);
      return { db: new Kysely<Tables>({ dialect: new PostgresDialect({ pool: reportingPool(pool) }) }) };
    },
    all: async (begin) => {
      // A connection that is only now being made would come at a time of its own.
      for (const pool of pools) await connectAll(pool);
      let path: number[] = [];
      for (let count = 1; ; count += 1) {
        const choices = await once(await begin(), path);
        while (choices.length > 0 && isLast(choices.at(-1))) choices.pop();
        const last = choices.at(-1);
        if (last === undefined) return count;
        last.chosen += 1;
        path = choices.map(({ chosen }) => chosen);
      }
    },
    close: async () => {
      await Promise.all([...pools, monitor].map((pool) => pool.end()));
    },
  };
}

function isLast(choice: Choice | undefined): boolean {
  return choice !== undefined && choice.chosen === choice.open.length - 1;
}

async function connectAll(pool: pg.Pool): Promise<void> {
  const clients = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()));
  for (const client of clients) client.release();
}

/** Lets everything run that waits for nothing outside this process. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
