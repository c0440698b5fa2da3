/**
 * Tells the CA that the instances on this host run, and as the companion is stopped in order that they do not. What they
 * are called, where they are and who one is there is not this machine's word.
 */
import { hostReportReply } from '../api/inventory.ts';
import { type Log, logFailure } from './log.ts';
import { requestJson, type Server } from './server-request.ts';

export class InstanceReport {
  readonly #server: Server;
  readonly #log: Log;
  #sending: Promise<void> = Promise.resolve();

  constructor(server: Server, log: Log) {
    this.#server = server;
    this.#log = log;
  }

  /** Whenever the CA is there again: what is so already costs it nothing. Never throws. */
  running(): void {
    void this.#send('running');
  }

  /** Waits for the answer, or for what was sent before and its patience. Never throws. */
  async stopped(): Promise<void> {
    await this.#send('stopped');
  }

  /** One after the other, so that the last word is the last. */
  #send(state: 'running' | 'stopped'): Promise<void> {
    this.#sending = this.#sending.then(() => this.#sendOnce(state));
    return this.#sending;
  }

  async #sendOnce(state: 'running' | 'stopped'): Promise<void> {
    try {
      const { targets } = await requestJson(this.#server, '/v1/companions/instances', hostReportReply, {
        body: { state },
      });
      const what = targets.length === 0 ? 'no instance' : targets.join(', ');
      this.#log({
        level: 'info',
        event: 'instances.reported',
        message: `This machine is ${what}: ${state}.`,
      });
    } catch (error) {
      logFailure(this.#log, 'error', 'instances.not_reported', error);
    }
  }
}
