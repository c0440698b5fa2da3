/** Ends a tunnel, whoever keeps it, and resolves when nothing of it is left. */
import { setTimeout as pause } from 'node:timers/promises';
import type { SallyContext } from '../context.ts';
import { isRunning, signal } from './process-identity.ts';
import type { Tunnel } from './tunnel-state.ts';
import { platformOf, removeTunnel } from './tunnel-store.ts';

/** A supervisor waits three seconds for its ssh. */
const patienceMilliseconds = 8_000;
const lookMilliseconds = 20;

export async function endTunnel(context: SallyContext, tunnel: Tunnel): Promise<void> {
  const platform = platformOf(context);
  const { supervisor, ssh } = tunnel;
  if (supervisor && (await signal(supervisor, 'SIGTERM', platform))) {
    const deadline = Date.now() + patienceMilliseconds;
    while ((await isRunning(supervisor, platform)) && Date.now() < deadline) await pause(lookMilliseconds);
    await signal(supervisor, 'SIGKILL', platform);
  }
  if (ssh) await signal(ssh, 'SIGKILL', platform);
  await removeTunnel(context.paths, tunnel.id);
}
