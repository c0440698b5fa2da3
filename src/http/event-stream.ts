/**
 * Server-sent events (WHATWG HTML, section 9.2) for documents that replace one another: a reader that is slow gets the
 * newest when it is ready, so at most one document waits; a reader that takes nothing for a whole heartbeat is dropped.
 */
import type { Writable } from 'node:stream';

export interface StreamedEvent {
  readonly event: string;
  readonly id: string;
  /** One line; asked for when it is sent. */
  readonly data: () => string;
}

export class EventStream {
  readonly #out: Writable;
  #next: StreamedEvent | null = null;
  #blocked = false;
  #blockedAtLastHeartbeat = false;

  constructor(out: Writable) {
    this.#out = out;
    out.on('drain', () => this.#resume());
  }

  /** Sends it now, or when the reader has taken what went before; then only the newest. */
  send(event: StreamedEvent): void {
    if (this.#blocked) this.#next = event;
    else this.#write(`event: ${event.event}\nid: ${event.id}\ndata: ${event.data()}\n\n`);
  }

  /** How long a reader should wait, at random, before it comes back when this breaks (section 9.2.6, `retry`). */
  returnWithin(milliseconds: number): void {
    if (!this.#blocked) this.#write(`retry: ${Math.ceil(milliseconds)}\n\n`);
  }

  /** Call at every interval: keeps proxies from closing the connection, and drops a reader that stands still. */
  heartbeat(): void {
    if (this.#blocked && this.#blockedAtLastHeartbeat) {
      this.#out.destroy();
      return;
    }
    this.#blockedAtLastHeartbeat = this.#blocked;
    if (!this.#blocked) this.#write(': still here\n\n');
  }

  #write(text: string): void {
    if (this.#out.destroyed || this.#out.writableEnded) return;
    this.#blocked = !this.#out.write(text);
  }

  #resume(): void {
    this.#blocked = false;
    this.#blockedAtLastHeartbeat = false;
    const next = this.#next;
    this.#next = null;
    if (next) this.send(next);
  }
}
