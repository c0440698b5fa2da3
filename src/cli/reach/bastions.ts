/** Connections to bastions that are kept open for a time (`ControlMaster`, ssh_config(5)), and end when it is over. */
import { randomBytes } from 'node:crypto';
import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { ensurePrivateFolder, readPrivateFile, writeFileAtomically } from '../../files/write-file.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import type { Bastion } from './jump-config.ts';
import { configArguments, runSshProgram } from './run-ssh.ts';

const keptBastion = z.strictObject({
  v: z.literal(1),
  id: z.string().regex(/^[0-9a-f]{8}$/),
  destination: z.string(),
  ends_at: z.int(),
});
export type KeptBastion = z.infer<typeof keptBastion>;

/** The longest that one is kept. */
export const longestSeconds = 14_400;

/** @returns undefined if ssh could not connect, which it has said itself */
export async function keepBastion(
  context: SallyContext,
  options: {
    bastion: Bastion;
    key: string | undefined;
    ttlSeconds: number;
    configFile: string | null;
  },
): Promise<KeptBastion | undefined> {
  const { bastion, key, ttlSeconds, configFile } = options;
  const { paths, debug, runProgram } = context;
  await ensurePrivateFolder(paths.bastions);
  const id = randomBytes(4).toString('hex');
  const socket = socketOf(context, id);
  const config = configArguments(configFile);
  const status = await runSshProgram(context, {
    program: 'ssh',
    args: [
      ...config,
      ...['-f', '-N', '-T', '-M', '-S', socket, '-o', 'ControlPersist=no', '-o', 'ExitOnForwardFailure=yes'],
      ...(key === undefined ? [] : ['-i', key, '-o', 'IdentitiesOnly=yes']),
      '--',
      addressOf(bastion.destination),
    ],
  });
  if (status !== 0) return undefined;
  const kept: KeptBastion = {
    v: 1,
    id,
    destination: bastion.destination,
    ends_at: nowSeconds(context) + ttlSeconds,
  };
  await writeFileAtomically(recordOf(context, id), `${JSON.stringify(kept)}\n`, { mode: 0o600 });
  debug.say(`a program ends it in ${ttlSeconds} s`);
  // No other connection ever has this socket, so that a late end meets nothing.
  const end = ['ssh', ...config, '-S', socket, '-O', 'exit', '--', addressOf(bastion.destination)];
  await runProgram({
    program: '/bin/sh',
    args: ['-c', 'sleep "$1"; shift; exec "$@"', 'sally-bastion', String(ttlSeconds), ...end],
    inBackground: true,
  });
  return kept;
}

/** The socket of a connection to it whose time is not over; undefined: none is kept. */
export async function openBastion(context: SallyContext, bastion: Bastion): Promise<string | undefined> {
  const kept = (await keptBastions(context)).find(({ destination }) => destination === bastion.destination);
  return kept && socketOf(context, kept.id);
}

/** Those whose time is not over; what is left of others goes. */
export async function keptBastions(context: SallyContext): Promise<KeptBastion[]> {
  const { bastions } = context.paths;
  const names = (await readdir(bastions).catch(() => [])).filter((name) => name.endsWith('.json'));
  const found: KeptBastion[] = [];
  for (const name of names.sort()) {
    const kept = await readRecord(join(bastions, name));
    if (kept && kept.ends_at > nowSeconds(context)) found.push(kept);
    else await unlink(join(bastions, name)).catch(() => {});
  }
  return found;
}

export async function endBastion(
  context: SallyContext,
  { id, destination }: KeptBastion,
  configFile: string | null,
): Promise<void> {
  await runSshProgram(context, {
    program: 'ssh',
    args: [
      ...configArguments(configFile),
      ...['-S', socketOf(context, id), '-O', 'exit', '--', addressOf(destination)],
    ],
  });
  await unlink(recordOf(context, id)).catch(() => {});
}

/** With a port only an address with its scheme is read so. */
function addressOf(destination: string): string {
  return `ssh://${destination}`;
}

async function readRecord(path: string): Promise<KeptBastion | undefined> {
  const bytes = await readPrivateFile(path).catch(() => undefined);
  try {
    return keptBastion.parse(JSON.parse(bytes?.toString('utf8') ?? ''));
  } catch {
    return undefined;
  }
}

/** Short: a socket's path has room for about a hundred characters. */
function socketOf({ paths }: SallyContext, id: string): string {
  const path = join(paths.bastions, id);
  // ssh makes it under a longer name first.
  if (Buffer.byteLength(path) <= 85) return path;
  throw new SallyportError(
    'settings_invalid',
    `${paths.bastions} is too long a path for a socket of ssh. Use a shorter home folder: HOME=/path sally ...`,
  );
}

function recordOf({ paths }: SallyContext, id: string): string {
  return join(paths.bastions, `${id}.json`);
}
