/** What the companion's answers to sshd and to its sessions are made with. */

import type { Connections } from './connections.ts';
import type { Basis } from './decision-basis.ts';
import type { Log } from './log.ts';
import type { Relays } from './relays.ts';
import type { SshdListener } from './sshd-listener.ts';

export interface Answering {
  readonly domain: string;
  /** The program `route` as the sessions of sshd see it. */
  readonly routeProgram: string;
  /** What every session of sshd runs, a ticket behind it (session-command.ts). */
  readonly sessionCommand: readonly string[];
  readonly listener: SshdListener;
  readonly connections: Connections;
  /** Takes people on to targets. */
  readonly relays: Relays;
  readonly log: Log;
  /** Undefined if nothing may be decided now: no state yet, or too old a one. */
  readonly current: () => Basis | undefined;
  /** There is something new to report. */
  readonly onStarted: () => void;
}
