/** Whether the next CA key may sign already, and what it waits for if not. Pure. */
import { certificateLifeSeconds } from '../policy/decide-certificate.ts';
import { graceMilliseconds } from '../revocation/revoked-serials.ts';
import type { Purpose } from './issuing.ts';

/** A companion that was not heard of for so long holds nobody up; it learns of the key when it is back, or enrols again. */
export const companionPatienceMilliseconds = 7 * 86_400_000;
/** A server process that has not reported for so long is gone. */
export const replicaPatienceMilliseconds = 60_000;

/** What a key waits for before it may sign. */
export type Wait =
  /** A gateway or host that does not trust the key yet. */
  | { readonly kind: 'companion'; readonly name: string; readonly problem: string | null }
  /** A server process that can't sign with it. */
  | { readonly kind: 'server'; readonly replica: string; readonly problem: string | null }
  /** Helpers may hold a certificate from before the key was known, and renew before they connect once it is over. */
  | { readonly kind: 'helpers'; readonly until: Date };

export interface NextKey {
  readonly id: string;
  readonly purpose: Purpose;
  readonly stateVersion: bigint;
  readonly createdAt: Date;
}

export interface WaitedFor {
  /** Enrolled ones that are not revoked. */
  readonly companions: readonly {
    readonly name: string;
    readonly kind: 'gateway' | 'host';
    /** When it was last heard of. */
    readonly lastSeenAt: Date | null;
    readonly acknowledgedVersion: bigint | null;
    readonly problem: string | null;
  }[];
  readonly reports: readonly {
    readonly replica: string;
    readonly caKeyId: string;
    readonly reportedAt: Date;
    readonly problem: string | null;
  }[];
}

/** Which companions must trust a purpose's keys. Host CA keys are for helpers. */
const trustedBy: Readonly<Record<Purpose, readonly ('gateway' | 'host')[]>> = {
  user: ['gateway', 'host'],
  hop: ['host'],
  host: [],
};

/** Empty: nobody would be surprised by what the key signs. */
export function waitsOf(key: NextKey, { companions, reports }: WaitedFor, now: Date): Wait[] {
  const waits: Wait[] = companions
    .filter(({ kind }) => trustedBy[key.purpose].includes(kind))
    .filter(({ lastSeenAt }) => isWithin(companionPatienceMilliseconds, lastSeenAt, now))
    .filter(({ acknowledgedVersion }) => (acknowledgedVersion ?? -1n) < key.stateVersion)
    .map(({ name, problem }) => ({ kind: 'companion', name, problem }));

  const live = reports.filter(({ reportedAt }) => isWithin(replicaPatienceMilliseconds, reportedAt, now));
  for (const replica of new Set(live.map((report) => report.replica))) {
    const report = live.find((each) => each.replica === replica && each.caKeyId === key.id);
    if (report === undefined) waits.push({ kind: 'server', replica, problem: null });
    else if (report.problem !== null) waits.push({ kind: 'server', replica, problem: report.problem });
  }

  const until = new Date(key.createdAt.getTime() + certificateLifeSeconds * 1000);
  if (key.purpose === 'host' && now < until) waits.push({ kind: 'helpers', until });
  return waits;
}

/** When nothing that a retiring key has signed can be valid any more, by anybody's clock. */
export function retirableAt({ retiringAt, lastExpiry }: { retiringAt: Date; lastExpiry: Date | null }): Date {
  return new Date(Math.max(retiringAt.getTime(), lastExpiry?.getTime() ?? 0) + graceMilliseconds);
}

function isWithin(milliseconds: number, at: Date | null, now: Date): boolean {
  return at !== null && now.getTime() - at.getTime() <= milliseconds;
}
