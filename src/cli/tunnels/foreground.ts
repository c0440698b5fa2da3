/** A tunnel that lives as long as a command does. */

import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { type Ending, supervise } from './supervise.ts';
import { tunnelLog } from './tunnel-log.ts';
import { placeOf, type Tunnel } from './tunnel-state.ts';
import { logOf, removeTunnel } from './tunnel-store.ts';

export interface ForegroundTunnel {
  /** Resolves when it is up. @throws access_denied, unavailable */
  readonly up: Promise<void>;
  readonly ended: Promise<Ending>;
  /** Resolves when nothing of it is left. */
  close(): Promise<void>;
}

export function keepInForeground(context: SallyContext, tunnel: Tunnel): ForegroundTunnel {
  const { paths, now, terminal } = context;
  const stop = new AbortController();
  const up = Promise.withResolvers<void>();
  up.promise.catch(() => {});
  const log = tunnelLog(logOf(paths, tunnel.id), now);
  let wasUp = false;
  const onChange = ({ status, why }: Tunnel) => {
    if (status === 'up' && wasUp) terminal.tell(`sally: the tunnel to ${placeOf(tunnel)} is up again`);
    if (status === 'reconnecting') terminal.tell(`sally: the tunnel to ${placeOf(tunnel)} is down: ${why}`);
    if (status !== 'up') return;
    wasUp = true;
    up.resolve();
  };
  const ended = supervise(quiet(context), tunnel, {
    signal: stop.signal,
    onLine: (line) => log.write(line),
    onChange,
  })
    .finally(() => removeTunnel(paths, tunnel.id))
    .then((ending) => {
      up.reject(failureOf(ending, tunnel));
      return ending;
    });
  ended.catch(up.reject);
  return {
    up: up.promise,
    ended,
    async close() {
      stop.abort();
      await ended.catch(() => {});
    },
  };
}

export function failureOf(ending: Ending, tunnel: Tunnel): SallyportError {
  if (ending.kind === 'closed') return new SallyportError('unavailable', 'The tunnel was closed.');
  return new SallyportError(
    ending.kind === 'refused' ? 'access_denied' : 'unavailable',
    `No tunnel to ${placeOf(tunnel)}: ${ending.why}`,
  );
}

/** Nobody logs in in the middle of a tunnel that runs. */
function quiet(context: SallyContext): SallyContext {
  return { ...context, paths: context.paths, mayStepUp: false };
}
