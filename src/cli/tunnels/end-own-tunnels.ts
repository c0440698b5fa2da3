/** The tunnels of a profile whose person logs out: they end with the login, not at their next attempt to connect. */
import { nowSeconds, type SallyContext } from '../context.ts';
import { endTunnel } from './end-tunnel.ts';
import { isOver, type Tunnel } from './tunnel-state.ts';
import { createTunnel, readTunnels, withTunnelsLock } from './tunnel-store.ts';

const why = 'you have logged out, run: sally login';

/** Resolves when their ports are closed. The list says for a while why those in the background are gone. @returns how many */
export async function endOwnTunnels(context: SallyContext): Promise<number> {
  if ((await ownTunnels(context)).length === 0) return 0;
  return await withTunnelsLock(context, async () => {
    const own = await ownTunnels(context);
    await Promise.all(own.map((tunnel) => end(context, tunnel)));
    return own.length;
  });
}

async function ownTunnels(context: SallyContext): Promise<Tunnel[]> {
  const tunnels = await readTunnels(context);
  return tunnels.filter((one) => one.profile === context.paths.profile && !isOver(one));
}

async function end(context: SallyContext, tunnel: Tunnel): Promise<void> {
  await endTunnel(context, tunnel);
  // A command in a terminal has told of its end there.
  if (tunnel.mode === 'foreground') return;
  const gone = { why, since: nowSeconds(context), supervisor: null, ssh: null } as const;
  await createTunnel(context, { ...tunnel, status: 'refused', ...gone });
}
