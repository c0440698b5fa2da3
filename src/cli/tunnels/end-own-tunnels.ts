/** The tunnels of a profile whose person logs out: they end with the login, not at their next attempt to connect. */
import { nowSeconds, type SallyContext } from '../context.ts';
import { endTunnel } from './end-tunnel.ts';
import { isOver, type Tunnel } from './tunnel-state.ts';
import { createTunnel, readTunnels, withTunnelsLock } from './tunnel-store.ts';

const why = 'you have logged out, run: sally login';

/**
 * Resolves when their ports are closed. The list says for a while why those in the background are gone.
 * @param account whose login it was @returns how many
 */
export async function endOwnTunnels(context: SallyContext, account: string | undefined): Promise<number> {
  if ((await ownTunnels(context, account)).length === 0) return 0;
  return await withTunnelsLock(context, async () => {
    const own = await ownTunnels(context, account);
    await Promise.all(own.map((tunnel) => end(context, tunnel)));
    return own.length;
  });
}

/** A machine has no profile: it uses that of the person whose home it is in. */
async function ownTunnels(context: SallyContext, account: string | undefined): Promise<Tunnel[]> {
  const { machine, paths } = context;
  const tunnels = await readTunnels(context);
  return tunnels.filter(
    (one) => one.profile === paths.profile && !isOver(one) && (!machine || one.account === account),
  );
}

async function end(context: SallyContext, tunnel: Tunnel): Promise<void> {
  await endTunnel(context, tunnel);
  // A command in a terminal has told of its end there.
  if (tunnel.mode === 'foreground') return;
  const gone = { why, since: nowSeconds(context), supervisor: null, ssh: null } as const;
  await createTunnel(context, { ...tunnel, status: 'refused', ...gone });
}
