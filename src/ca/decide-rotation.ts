/** Whether the next CA key may sign already, and what it waits for if not. Pure. */
import { certificateLifeSeconds } from '../policy/decide-certificate.ts';
import { graceMilliseconds } from '../revocation/revoked-serials.ts';
import type { Purpose } from './issuing.ts';
import type { Readiness } from './readiness.ts';

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
  /** Helpers learn host CA keys when they renew their certificate; this leaves them two renewals. */
  | { readonly kind: 'helpers'; readonly until: Date };

export interface NextKey {
  readonly id: string;
  readonly purpose: Purpose;
  readonly stateVersion: bigint;
  readonly createdAt: Date;
}

/** An enrolled machine that is not revoked. */
export interface KnownCompanion {
  readonly name: string;
  readonly kind: 'gateway' | 'host';
  /** When it was last heard of. */
  readonly lastSeenAt: Date | null;
  readonly acknowledgedVersion: bigint | null;
  readonly problem: string | null;
}

export type UnawareCompanion = Pick<KnownCompanion, 'name' | 'problem'>;

/** Which companions trust a purpose's keys. Host CA keys are for helpers. */
const trustedBy: Readonly<Record<Purpose, readonly KnownCompanion['kind'][]>> = {
  user: ['gateway', 'host'],
  hop: ['host'],
  host: [],
};

/** The companions in use that have not acknowledged how a key stands. */
export function unawareOf(
  { purpose, stateVersion }: Pick<NextKey, 'purpose' | 'stateVersion'>,
  companions: readonly KnownCompanion[],
  now: Date,
): UnawareCompanion[] {
  return companions
    .filter(({ kind }) => trustedBy[purpose].includes(kind))
    .filter(({ lastSeenAt }) => isWithin(companionPatienceMilliseconds, lastSeenAt, now))
    .filter(({ acknowledgedVersion }) => (acknowledgedVersion ?? -1n) < stateVersion)
    .map(({ name, problem }) => ({ name, problem }));
}

/** Empty: nobody would be surprised by what the key signs. */
export function waitsOf(
  key: NextKey,
  { unaware, reports }: { unaware: readonly UnawareCompanion[]; reports: readonly Readiness[] },
  now: Date,
): Wait[] {
  const waits: Wait[] = unaware.map((companion) => ({ kind: 'companion', ...companion }));

  const live = reports.filter(({ reportedAt }) => isWithin(replicaPatienceMilliseconds, reportedAt, now));
  for (const replica of new Set(live.map((report) => report.replica))) {
    const report = live.find((each) => each.replica === replica && each.caKeyId === key.id);
    if (report === undefined) waits.push({ kind: 'server', replica, problem: null });
    else if (report.problem !== null) waits.push({ kind: 'server', replica, problem: report.problem });
  }

  const until = new Date(key.createdAt.getTime() + 2 * certificateLifeSeconds * 1000);
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
