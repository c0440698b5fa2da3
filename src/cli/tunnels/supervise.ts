/**
 * Keeps a tunnel: starts ssh, and again when it has ended, until it is told to stop or nothing but a person helps. What it
 * knows stands in the tunnel's state at every moment.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterRefusal } from '../after-refusal/after-refusal.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import { printable } from '../printable.ts';
import { hasSlept, pauseMilliseconds } from './back-off.ts';
import { environmentForPrograms } from './environment-for-programs.ts';
import { identityOf } from './process-identity.ts';
import { tunnelArguments } from './tunnel-arguments.ts';
import { attemptTunnel, type Ready } from './tunnel-attempt.ts';
import { startTunnelSsh, type TunnelSsh } from './tunnel-ssh.ts';
import type { Tunnel } from './tunnel-state.ts';
import { platformOf, writeTunnel } from './tunnel-store.ts';

export interface Supervision {
  /** Stops it. */
  readonly signal: AbortSignal;
  /** Lines for the log. */
  readonly onLine: (line: string) => void;
  readonly onChange?: (tunnel: Tunnel) => void;
}

/** closed: it was told to. failed: it has never been up. */
export type Ending =
  | { readonly kind: 'closed' }
  | { readonly kind: 'refused' | 'failed'; readonly why: string };

/** @returns how it ended; ssh has ended too, and the state is of the moment before */
export async function supervise(
  context: SallyContext,
  tunnel: Tunnel,
  supervision: Supervision,
): Promise<Ending> {
  const keeper = new Keeper(context, tunnel, supervision);
  return await keeper.keep();
}

/** After this long a connection has been one, and what came before it does not count. */
const provenMilliseconds = 60_000;
const lookMilliseconds = 5_000;

class Keeper {
  readonly #context: SallyContext;
  readonly #supervision: Supervision;
  #tunnel: Tunnel;
  #last: Ready | undefined;
  #failures = 0;
  #wasUp = false;
  /** How often in a row a gateway took no key although the server says that it would. */
  #keyRefusals = 0;

  constructor(context: SallyContext, tunnel: Tunnel, supervision: Supervision) {
    this.#context = context;
    this.#tunnel = tunnel;
    this.#supervision = supervision;
  }

  async keep(): Promise<Ending> {
    const { signal } = this.#supervision;
    while (!signal.aborted) {
      const outcome = await this.#once();
      if (outcome.kind === 'refused') return outcome;
      if (outcome.kind === 'closed' || signal.aborted) break;
      if (!this.#wasUp) return { kind: 'failed', why: outcome.why };
      await this.#change({ status: 'reconnecting', why: outcome.why, ssh: null });
      this.#failures += 1;
      const milliseconds = pauseMilliseconds(this.#failures, Math.random());
      await pause(milliseconds, undefined, { signal }).catch(() => {});
    }
    return { kind: 'closed' };
  }

  async #once(): Promise<Outcome> {
    const attempt = await attemptTunnel(this.#context, this.#tunnel, this.#last, {
      renew: this.#keyRefusals > 0,
    });
    if (attempt.kind !== 'ready') return attempt;
    this.#last = attempt;
    const { target, services } = attempt;
    await this.#change({ target, services: [...services] });
    if (this.#supervision.signal.aborted) return { kind: 'closed' };
    return await this.#connect(attempt);
  }

  async #connect(ready: Ready): Promise<Outcome> {
    const { debug, paths, now } = this.#context;
    const { signal, onLine } = this.#supervision;
    const word = randomBytes(16).toString('hex');
    const args = tunnelArguments({
      word,
      configFile: paths.profileConfig,
      way: ready.way,
      services: ready.services.filter(({ open }) => open),
      gatewayPorts: this.#tunnel.gateway_ports,
    });
    debug.say(`runs ${JSON.stringify(['ssh', ...args])}`);
    const platform = platformOf(this.#context);
    const ssh = startTunnelSsh({
      args,
      word,
      environment: environmentForPrograms(this.#context),
      platform,
      onLine,
    });
    const stop = () => ssh.stop();
    signal.addEventListener('abort', stop);
    const stopWatching = watchForSleep(this.#context, ssh);
    try {
      if (await ssh.up) {
        const since = now().getTime();
        this.#wasUp = true;
        this.#keyRefusals = 0;
        await this.#change({ status: 'up', why: null, ssh: await identityOfSsh(ssh, platform) });
        const end = await ssh.ended;
        if (now().getTime() - since > provenMilliseconds) this.#failures = 0;
        return await this.#judge(end, ready);
      }
      return await this.#judge(await ssh.ended, ready);
    } catch (error) {
      // The state can't be written: the tunnel was taken away, or the disk is full.
      ssh.stop();
      await ssh.ended;
      throw error;
    } finally {
      stopWatching();
      signal.removeEventListener('abort', stop);
    }
  }

  async #judge({ status, stderr }: { status: number; stderr: string }, ready: Ready): Promise<Outcome> {
    if (this.#supervision.signal.aborted) return { kind: 'closed' };
    if (status === 127) return { kind: 'refused', why: 'ssh is not installed here, or not in the PATH' };
    const { target } = ready;
    const aftermath = await afterRefusal(this.#context, { stderr, target });
    if (!aftermath) return { kind: 'later', why: lastLine(stderr) };
    const { failure, line, mayMend } = aftermath;
    if (failure.kind === 'port-taken') {
      return {
        kind: 'later',
        why: `port ${failure.port ?? ''} is taken here by another program`.replace('  ', ' '),
      };
    }
    if (!mayMend) return { kind: 'refused', why: line };
    if (failure.kind !== 'key-refused') return { kind: 'later', why: withoutAdvice(line) };
    this.#keyRefusals += 1;
    // Each further one counts against everybody behind the same address. Once, with a certificate that is surely good.
    return { kind: ready.isFresh && this.#keyRefusals === 1 ? 'later' : 'refused', why: line };
  }

  async #change(change: Partial<Tunnel>): Promise<void> {
    const { status, why } = this.#tunnel;
    const next = { ...this.#tunnel, ...change };
    const isNew = next.status !== status || next.why !== why;
    this.#tunnel = isNew ? { ...next, since: nowSeconds(this.#context) } : next;
    await writeTunnel(this.#context.paths, this.#tunnel);
    if (!isNew) return;
    this.#supervision.onLine(next.why === null ? next.status : `${next.status}: ${next.why}`);
    this.#supervision.onChange?.(this.#tunnel);
  }
}

type Outcome = Ending | { readonly kind: 'later'; readonly why: string };

async function identityOfSsh({ pid }: TunnelSsh, platform: NodeJS.Platform): Promise<Tunnel['ssh']> {
  return pid === undefined ? null : ((await identityOf(pid, platform)) ?? null);
}

/** After a sleep the connection is gone, which ssh itself would notice a minute later. */
function watchForSleep({ now, debug }: SallyContext, ssh: TunnelSsh): () => void {
  let last = now();
  const timer = setInterval(() => {
    const [before, current] = [last, now()];
    last = current;
    if (!hasSlept(before, current, lookMilliseconds)) return;
    debug.say('the machine has slept');
    ssh.stop();
  }, lookMilliseconds);
  return () => clearInterval(timer);
}

/** Nobody has to do anything: it is done again by itself. */
function withoutAdvice(line: string): string {
  return line.replace(/[,;] (run|try)\b.*$/, '');
}

function lastLine(stderr: string): string {
  return printable(stderr.trimEnd().split('\n').at(-1) ?? '') || 'ssh has ended';
}
