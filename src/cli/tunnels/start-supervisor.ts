/** Starts the process that keeps a tunnel when this `sally` and its terminal are gone, and waits until it is up or is not. */
import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { environmentForPrograms } from './environment-for-programs.ts';
import { placeOf, type Tunnel } from './tunnel-state.ts';
import { logOf, readTunnel, removeTunnel } from './tunnel-store.ts';

/** Longer than a certificate, a gateway's ports and a login take together. */
const patienceMilliseconds = 90_000;
const lookMilliseconds = 25;

/** @returns the tunnel when it is up @throws access_denied, unavailable; nothing is left of it then */
export async function startSupervisor(context: SallyContext, tunnel: Tunnel): Promise<Tunnel> {
  const { node, entry } = context.environment.program;
  const child = spawn(node, [entry, 'tunnel-supervise', tunnel.id], {
    cwd: context.paths.home,
    env: environmentForPrograms(context),
    stdio: 'ignore',
    detached: true,
    windowsHide: true,
  });
  let isGone = false;
  child.once('error', () => {
    isGone = true;
  });
  child.once('exit', () => {
    isGone = true;
  });
  child.unref();
  const deadline = Date.now() + patienceMilliseconds;
  for (;;) {
    const wasGone = isGone;
    const now = await readTunnel(context, tunnel.id);
    if (now?.status === 'up') return now;
    if (!now || now.status === 'refused' || now.status === 'failed')
      throw await failure(context, tunnel, now);
    // Its last word was written before it ended.
    if (wasGone) throw await failure(context, tunnel, undefined);
    if (Date.now() > deadline) {
      throw new SallyportError(
        'unavailable',
        `The tunnel to ${placeOf(tunnel)} is not up yet; it goes on trying. Look with: sally tunnel list`,
      );
    }
    await pause(lookMilliseconds);
  }
}

async function failure(
  context: SallyContext,
  tunnel: Tunnel,
  now: Tunnel | undefined,
): Promise<SallyportError> {
  const { status, why } = now ?? {};
  context.debug.say(`the supervisor has ended: ${logOf(context.paths, tunnel.id)}`);
  await removeTunnel(context.paths, tunnel.id);
  const message = `No tunnel to ${placeOf(tunnel)}: ${why ?? 'the process that keeps it has ended'}`;
  return new SallyportError(status === 'refused' ? 'access_denied' : 'unavailable', message);
}
