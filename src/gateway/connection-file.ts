/**
 * What a companion knows of one connection, and its file: written before sshd gets its answer, so that a companion that
 * is restarted knows every connection that it ever let in. One file each, since a login must not cost a rewrite of all.
 * Not flushed to the disk: after a power cut the connection is gone too. `format` grows when older readers must not go on.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { address, port, targetName, unixSeconds } from '../api/common.ts';
import { offerSchema } from './offered-certificate.ts';

const processIdSchema = z.strictObject({
  pid: z.int().positive(),
  startTime: z.string().regex(/^[0-9]{1,20}$/),
});

const connectionSchema = z.strictObject({
  format: z.literal(1),
  bootId: z.string(),
  ...processIdSchema.shape,
  offer: offerSchema,
  /** Whom the client wants to be. */
  user: z.string(),
  permitted: z.array(z.strictObject({ name: targetName, address, port })),
  offeredAtSeconds: unixSeconds,
  /** null: offered, nobody is logged in yet. */
  startedAtSeconds: unixSeconds.nullable(),
  /** Of the ticket that its command carries (tickets.ts). */
  ticketDigest: z.base64().nullable().default(null),
  /** null: it is not known yet what the connection is used for. */
  way: z.enum(['relay', 'jump', 'host', 'menu', 'refusal']).nullable().default(null),
  /** What sshd was told to permit it (permits.ts); null: sshd was told nothing. */
  granted: z
    .strictObject({
      opens: z.union([z.literal('anywhere'), z.array(z.string())]),
      listens: z.boolean(),
      agent: z.boolean(),
    })
    .nullable()
    .default(null),
  /** Where the client is; null: not looked for yet, or not to be found out. */
  clientAddress: z.string().nullable().default(null),
  /** Hosts only: the leaders of the process sessions that sshd began on it (process-sessions.ts), those that still matter. */
  leaders: z
    .array(
      z.strictObject({
        ...processIdSchema.shape,
        /** Somebody else who is in the session, found when its leader had gone. */
        member: processIdSchema.optional(),
      }),
    )
    .default([]),
});

export type Connection = z.infer<typeof connectionSchema>;
export type SessionLeader = Connection['leaders'][number];
export type Way = NonNullable<Connection['way']>;

/** `boot id:pid:start time` of the monitor: the connection's name, unique for ever. */
export function connectionKey({ bootId, pid, startTime }: Pick<Connection, 'bootId' | 'pid' | 'startTime'>) {
  return `${bootId}:${pid}:${startTime}`;
}

export function writeConnectionFile(folder: string, connection: Connection): void {
  const beside = join(folder, `.${randomBytes(6).toString('hex')}`);
  try {
    // All of it or an error: write(2) alone may take a part where there is room for no more.
    writeFileSync(beside, JSON.stringify(connection), { flag: 'wx', mode: 0o600 });
    renameSync(beside, pathOf(folder, connection));
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}

export function removeConnectionFile(folder: string, connection: Connection): void {
  rmSync(pathOf(folder, connection), { force: true });
}

/** All that can be read; files that can't are named in `damaged`, since each may stand for somebody who is connected. */
export function readConnectionFiles(folder: string): { connections: Connection[]; damaged: string[] } {
  const connections: Connection[] = [];
  const damaged: string[] = [];
  for (const name of readdirSync(folder).filter((one) => !isUnfinished(one))) {
    const connection = readConnection(join(folder, name));
    if (connection) connections.push(connection);
    else damaged.push(name);
  }
  return { connections, damaged };
}

/** The rest of writes that a crash cut off: their logins were never answered. For the companion alone, which writes them. */
export function removeUnfinished(folder: string): void {
  for (const name of readdirSync(folder)) if (isUnfinished(name)) rmSync(join(folder, name), { force: true });
}

function isUnfinished(name: string): boolean {
  return name.startsWith('.');
}

function readConnection(path: string): Connection | undefined {
  try {
    return connectionSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}

function pathOf(folder: string, connection: Connection): string {
  return join(folder, `${connection.bootId}-${connection.pid}-${connection.startTime}.json`);
}
