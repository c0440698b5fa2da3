/** How long a connection may last and how long it may be silent, pure. */
import type { TargetFacts } from '../policy/facts.ts';

export type LimitReason = 'too_long' | 'idle';

export interface ConnectionTimes {
  /** null: nobody is logged in yet. */
  readonly startedAtSeconds: number | null;
  /** When it last carried anything; null: that can't be known, so it never counts as idle. */
  readonly activeAtSeconds: number | null;
}

type Limits = Pick<TargetFacts, 'maxConnectionSeconds' | 'idleTimeoutSeconds'>;

/** The limit that is reached, by the target's limits as they are now. */
export function limitReached(
  { maxConnectionSeconds: longest, idleTimeoutSeconds: silent }: Limits,
  { startedAtSeconds, activeAtSeconds }: ConnectionTimes,
  nowSeconds: number,
): LimitReason | undefined {
  if (startedAtSeconds === null) return undefined;
  if (longest !== null && nowSeconds - startedAtSeconds >= longest) return 'too_long';
  if (silent === null || activeAtSeconds === null) return undefined;
  return nowSeconds - activeAtSeconds >= silent ? 'idle' : undefined;
}
