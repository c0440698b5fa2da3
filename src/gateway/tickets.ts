/**
 * Tickets tie the command that sshd runs for a connection to the answer that named it: 128 random bits, for one
 * connection, redeemed once. They live in memory only and are never logged; kept by digest, so that looking one up
 * tells nothing by its time.
 */
import { createHash, randomBytes } from 'node:crypto';

interface Kept<Value> {
  readonly connection: string;
  readonly value: Value;
  readonly expiresAtMilliseconds: number;
}

/** Far above LoginGraceTime: between the answer and the command only the login itself can pass. */
const lifetimeMilliseconds = 10 * 60_000;

export class Tickets<Value> {
  readonly #byDigest = new Map<string, Kept<Value>>();
  readonly #digestOfConnection = new Map<string, string>();

  /** A connection has one ticket: an earlier one dies. */
  issue(connection: string, value: Value, nowMilliseconds: number): string {
    this.#sweep(nowMilliseconds);
    this.forget(connection);
    const ticket = randomBytes(16).toString('hex');
    const digest = digestOf(ticket);
    this.#byDigest.set(digest, {
      connection,
      value,
      expiresAtMilliseconds: nowMilliseconds + lifetimeMilliseconds,
    });
    this.#digestOfConnection.set(connection, digest);
    return ticket;
  }

  /** Once only; undefined for whatever is not a live ticket. */
  redeem(ticket: string, nowMilliseconds: number): { connection: string; value: Value } | undefined {
    this.#sweep(nowMilliseconds);
    const kept = this.#byDigest.get(digestOf(ticket));
    if (kept === undefined) return undefined;
    this.forget(kept.connection);
    return { connection: kept.connection, value: kept.value };
  }

  forget(connection: string): void {
    const digest = this.#digestOfConnection.get(connection);
    if (digest !== undefined) this.#byDigest.delete(digest);
    this.#digestOfConnection.delete(connection);
  }

  /** Both maps keep the order of issue, so the oldest stand first. */
  #sweep(nowMilliseconds: number): void {
    for (const { connection, expiresAtMilliseconds } of this.#byDigest.values()) {
      if (expiresAtMilliseconds > nowMilliseconds) return;
      this.forget(connection);
    }
  }
}

function digestOf(ticket: string): string {
  return createHash('sha256').update(ticket).digest('base64');
}
