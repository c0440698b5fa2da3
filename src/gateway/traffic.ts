/**
 * When a connection last carried anything, pure. Its bytes are counted in spans of at most a minute: a span in which
 * they are more than clients and sshd send to see whether the other lives was an active one.
 */

/** What has gone through a connection's sshd in both directions, since it began. */
export type Bytes = number;

export interface Traffic {
  readonly activeAtSeconds: number;
  readonly spanBytes: Bytes;
  readonly spanAtSeconds: number;
}

const spanSeconds = 60;
/** ServerAliveInterval 15 with its answers comes to about four hundred bytes a minute. */
const mostOfKeepAlives = 600;

/** @param before undefined: the first look, which counts as activity, since nobody knows what was before */
export function traffic(before: Traffic | undefined, bytes: Bytes, nowSeconds: number): Traffic {
  const span = { spanBytes: bytes, spanAtSeconds: nowSeconds };
  // A process that ended took its count along.
  if (before === undefined || Math.abs(bytes - before.spanBytes) > mostOfKeepAlives) {
    return { activeAtSeconds: nowSeconds, ...span };
  }
  const isOver = nowSeconds - before.spanAtSeconds >= spanSeconds;
  return isOver ? { activeAtSeconds: before.activeAtSeconds, ...span } : before;
}
