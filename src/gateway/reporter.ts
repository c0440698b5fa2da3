/** Tells the CA what is so on this machine: which connections live, and which state is in force. */
import type { CompanionState, ConnectionReport } from '../api/companions.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import type { FeedClient } from './feed-client.ts';
import { type Log, logFailure } from './log.ts';

export interface ReporterOptions {
  /** Undefined until there is a feed: nothing is told before. */
  readonly feed: () => Pick<FeedClient, 'acknowledge' | 'report'> | undefined;
  readonly connections: () => ConnectionReport;
  /** The CA has heard it. @returns whether there is more to tell because of that */
  readonly onReported: (report: ConnectionReport) => boolean;
  /** The CA has heard it, and does not take it as it is. */
  readonly onRefused: () => void;
  readonly problem: () => string | null;
  /** Ends the connections of sessions that the reply calls ended. @returns how many are gone */
  readonly onEnded: (sessionIds: readonly string[]) => Promise<number>;
  readonly log: Log;
}

type Installed = Pick<CompanionState, 'version' | 'krl'>;

export class Reporter {
  readonly #options: ReporterOptions;
  #reporting: 'no' | 'yes' | 'again' = 'no';
  #lastReportFailed = false;
  #endedForVersion = { version: '', count: 0 };
  /** What the CA did not take. */
  #unacknowledged: Installed | undefined;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** One request at a time, the last one after the last change. Never throws. */
  async report(): Promise<void> {
    if (this.#reporting !== 'no') {
      this.#reporting = 'again';
      return;
    }
    do {
      this.#reporting = 'yes';
      await this.#reportOnce();
    } while (this.#hasMoreToReport());
    this.#reporting = 'no';
  }

  /** The CA was heard, so it may take now what it did not take before. */
  onContact(): void {
    if (this.#lastReportFailed && this.#reporting === 'no') void this.report();
    if (this.#unacknowledged) void this.acknowledge(this.#unacknowledged, 0);
  }

  /** @param ended connections that were ended because of the state, since this was last told. Never throws. */
  async acknowledge(installed: Installed, ended: number): Promise<void> {
    const { feed, problem, log } = this.#options;
    const { version, krl } = installed;
    this.#unacknowledged = undefined;
    // A state may come twice, after a reconnect for example: what it ended the first time stays true.
    const before = this.#endedForVersion.version === version ? this.#endedForVersion.count : 0;
    this.#endedForVersion = { version, count: before + ended };
    try {
      await feed()?.acknowledge({
        version,
        krl_version: krl.version,
        connections_ended: this.#endedForVersion.count,
        problem: problem(),
      });
    } catch (error) {
      // Unless a newer one has been told meanwhile, which says it all.
      if (this.#endedForVersion.version === version) this.#unacknowledged = installed;
      if (!isStopped(error)) logFailure(log, 'error', 'feed.not_acknowledged', error);
    }
    if (ended > 0) await this.report();
  }

  #hasMoreToReport(): boolean {
    return this.#reporting === 'again';
  }

  async #reportOnce(): Promise<void> {
    const { feed, connections, onReported, onRefused, onEnded, log } = this.#options;
    try {
      const to = feed();
      const report = connections();
      const ended = (await to?.report(report)) ?? [];
      this.#lastReportFailed = false;
      if (to && onReported(report)) this.#reporting = 'again';
      if (ended.length > 0 && (await onEnded(ended)) > 0) this.#reporting = 'again';
    } catch (error) {
      this.#lastReportFailed = true;
      if (isRefused(error)) onRefused();
      if (!isStopped(error)) logFailure(log, 'error', 'feed.not_reported', error);
    }
  }
}

/** The companion is being stopped: nothing is wrong, and the next one tells it. */
function isStopped(error: unknown): boolean {
  return isSallyportError(error) && error.cause instanceof Error && error.cause.name === 'AbortError';
}

function isRefused(error: unknown): boolean {
  return isSallyportError(error) && ['request_malformed', 'request_too_large'].includes(error.code);
}
