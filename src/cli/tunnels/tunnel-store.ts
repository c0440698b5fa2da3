/**
 * The tunnels of this home, as they are: what has lost its supervisor is ended and taken away by whoever looks. They have a
 * lock of their own, because the one of the state is held for as long as a slow server takes to renew a certificate.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { waitForProcessLock } from '../../files/process-lock.ts';
import { ensurePrivateFolder, writeFileAtomically } from '../../files/write-file.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import { prepareStateFolder } from '../state-folder.ts';
import type { StatePaths } from '../state-paths.ts';
import { isRunning, signal } from './process-identity.ts';
import { isOver, placeOf, type Tunnel, tunnelState } from './tunnel-state.ts';

/** How long one that has ended for good is still told of. */
const rememberedSeconds = 7 * 24 * 3600;
const lockPatienceMilliseconds = 20_000;

export function tunnelsFolder({ folder }: Pick<StatePaths, 'folder'>): string {
  return join(folder, 'tunnels');
}

export function tunnelFolder(paths: Pick<StatePaths, 'folder'>, id: string): string {
  return join(tunnelsFolder(paths), id);
}

export function logOf(paths: Pick<StatePaths, 'folder'>, id: string): string {
  return join(tunnelFolder(paths, id), 'log');
}

export function platformOf({ environment }: Pick<SallyContext, 'environment'>): NodeJS.Platform {
  return environment.platform ?? 'linux';
}

/** Runs `work` while no other `sally` of this home opens a tunnel. @throws in_use */
export async function withTunnelsLock<T>({ paths }: SallyContext, work: () => Promise<T>): Promise<T> {
  await prepareStateFolder(paths);
  await ensurePrivateFolder(tunnelsFolder(paths));
  const lock = await waitForProcessLock(join(tunnelsFolder(paths), 'lock'), lockPatienceMilliseconds);
  if (!lock) {
    throw new SallyportError('in_use', 'Another sally is still opening a tunnel. Try again in a minute.');
  }
  try {
    return await work();
  } finally {
    lock.release();
  }
}

export async function createTunnel({ paths }: SallyContext, tunnel: Tunnel): Promise<void> {
  await mkdir(tunnelFolder(paths, tunnel.id), { mode: 0o700 });
  await writeTunnel(paths, tunnel);
}

/** @throws ENOENT if somebody has taken it away */
export async function writeTunnel(paths: Pick<StatePaths, 'folder'>, tunnel: Tunnel): Promise<void> {
  const text = `${JSON.stringify(tunnelState.parse(tunnel), null, 2)}\n`;
  await writeFileAtomically(join(tunnelFolder(paths, tunnel.id), 'state.json'), text, { mode: 0o600 });
}

export async function removeTunnel(paths: Pick<StatePaths, 'folder'>, id: string): Promise<void> {
  await rm(tunnelFolder(paths, id), { recursive: true, force: true });
}

/** Those that there are, the oldest first. */
export async function readTunnels(context: SallyContext): Promise<Tunnel[]> {
  const names = await readdir(tunnelsFolder(context.paths)).catch(() => []);
  const found: Tunnel[] = [];
  for (const name of names.filter((one) => /^[0-9a-f]{8}$/.test(one))) {
    const tunnel = await readTunnel(context, name);
    if (tunnel) found.push(tunnel);
  }
  return found.sort((one, other) => one.opened_at - other.opened_at || (one.id < other.id ? -1 : 1));
}

/** As it is now; undefined if there is none, or none any more. */
export async function readTunnel(context: SallyContext, id: string): Promise<Tunnel | undefined> {
  const platform = platformOf(context);
  const tunnel = await storedTunnel(context, id);
  if (!tunnel) return undefined;
  const { supervisor, ssh, status } = tunnel;
  if (supervisor && (await isRunning(supervisor, platform))) {
    const isUp = status !== 'up' || (ssh !== null && (await isRunning(ssh, platform)));
    return isUp ? tunnel : { ...tunnel, status: 'reconnecting', why: 'ssh has ended' };
  }
  // It may have come to its end between the two looks, and have said why.
  const now = supervisor ? await storedTunnel(context, id) : tunnel;
  if (!now) return undefined;
  // Its processes are where they cannot be seen from here, and go on.
  if (now.machine !== hostname() && !isOver(now)) return undefined;
  const isNew = nowSeconds(context) - now.since < rememberedSeconds;
  if (isOver(now) && now.supervisor === null && isNew) return now;
  if (now.supervisor && !isOver(now)) {
    context.terminal.tell(
      `sally: the tunnel to ${placeOf(now)} has lost the process that kept it, so it is over. Open it again: sally tunnel open ${now.target}`,
    );
  }
  if (now.ssh) await signal(now.ssh, 'SIGTERM', platform);
  await removeTunnel(context.paths, id);
  return undefined;
}

/** What the file says. A damaged one is taken away: its supervisor notices, and ends what it keeps. */
async function storedTunnel({ paths, debug }: SallyContext, id: string): Promise<Tunnel | undefined> {
  const path = join(tunnelFolder(paths, id), 'state.json');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  });
  if (text === undefined) return undefined;
  try {
    const tunnel = tunnelState.parse(JSON.parse(text));
    if (tunnel.id === id) return tunnel;
  } catch {
    // as if it were another one's
  }
  debug.say(`${path} is not readable as a tunnel; taken away`);
  await removeTunnel(paths, id);
  return undefined;
}
