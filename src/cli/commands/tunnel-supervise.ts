/** The process in the background that keeps one tunnel. It has no terminal: what it has to say stands in the state and the log. */
import type { SallyContext } from '../context.ts';
import { createDebugLog } from '../debug-log.ts';
import type { ExitName } from '../exit-codes.ts';
import { printable } from '../printable.ts';
import { createTerminal } from '../terminal.ts';
import { ownIdentity } from '../tunnels/new-tunnel.ts';
import { type Ending, supervise } from '../tunnels/supervise.ts';
import { tunnelLog } from '../tunnels/tunnel-log.ts';
import type { Tunnel } from '../tunnels/tunnel-state.ts';
import { logOf, readTunnel, removeTunnel, writeTunnel } from '../tunnels/tunnel-store.ts';
import { untilSignal } from '../tunnels/until-signal.ts';

export async function tunnelSupervise(outer: SallyContext, id: string): Promise<ExitName> {
  const { paths, now, environment } = outer;
  const log = tunnelLog(logOf(paths, id), now);
  const context: SallyContext = {
    ...outer,
    paths,
    terminal: createTerminal({ stdout: log, stderr: log, colors: false }),
    debug: createDebugLog(environment.debug ?? false, log),
    mayStepUp: false,
  };
  const found = await readTunnel(context, id);
  if (!found) return 'failed';
  const { signal, release } = untilSignal(['SIGTERM', 'SIGINT', 'SIGHUP']);
  let tunnel: Tunnel = { ...found, supervisor: await ownIdentity(context) };
  await writeTunnel(paths, tunnel);
  const ending = await supervise(context, tunnel, {
    signal,
    onLine: (line) => log.write(line),
    onChange: (changed) => {
      tunnel = changed;
    },
  }).catch((error: unknown): Ending => {
    context.debug.say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return { kind: 'failed', why: printable(error instanceof Error ? error.message : String(error)) };
  });
  release();
  if (ending.kind === 'closed') {
    await removeTunnel(paths, id);
    return 'done';
  }
  const { kind: status, why } = ending;
  log.write(`${status}: ${why}`);
  const since = Math.floor(now().getTime() / 1000);
  // Where it was taken away nobody wants to know.
  await writeTunnel(paths, { ...tunnel, status, why, since, supervisor: null, ssh: null }).catch(() => {});
  return 'failed';
}
