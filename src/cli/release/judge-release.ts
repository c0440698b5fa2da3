/** Whether a signed release may count, after what was seen before. Pure. */
import { type CheckedRelease, compareVersions } from './manifest.ts';

/** The newest that counted, kept on disk. */
export interface SeenRelease {
  readonly number: number;
  readonly version: string;
  readonly digest: string;
  readonly issuedAt: Date;
}

export type ReleaseRefusal =
  | 'wrong_program'
  | 'lasts_too_long'
  | 'not_yet_issued'
  | 'expired'
  | 'number_went_back'
  | 'number_used_twice'
  | 'version_went_back';

export interface ReleaseFacts {
  readonly release: CheckedRelease;
  readonly program: string;
  readonly seen: SeenRelease | undefined;
  readonly now: Date;
}

const dayMilliseconds = 86_400_000;
/** So long at most somebody in between can hide that there is something newer. */
export const longestReleaseDays = 90;

/** The reasons against it; none: it counts. */
export function judgeRelease({ release, program, seen, now }: ReleaseFacts): ReleaseRefusal[] {
  const { issuedAt, expiresAt, number, version, digest } = release;
  // A clock that was set back brings nothing back that is over.
  const latest = Math.max(now.getTime(), seen?.issuedAt.getTime() ?? 0);
  const rules: readonly (readonly [ReleaseRefusal, boolean])[] = [
    ['wrong_program', release.program !== program],
    ['lasts_too_long', expiresAt.getTime() - issuedAt.getTime() > longestReleaseDays * dayMilliseconds],
    ['not_yet_issued', issuedAt.getTime() > now.getTime() + dayMilliseconds],
    ['expired', expiresAt.getTime() <= latest],
    ['number_went_back', seen !== undefined && number < seen.number],
    ['number_used_twice', number === seen?.number && digest !== seen.digest],
    ['version_went_back', seen !== undefined && compareVersions(version, seen.version) < 0],
  ];
  return rules.flatMap(([reason, holds]) => (holds ? [reason] : []));
}

/** For the person, behind "Refused what was said about releases: ". */
export const refusalTexts: Readonly<Record<ReleaseRefusal, string>> = {
  wrong_program: 'it is about another program',
  lasts_too_long: `it would count for more than ${longestReleaseDays} days`,
  not_yet_issued: 'it was issued in the future; is the clock of this machine right?',
  expired: 'it is out of date. Either nobody signed a newer one, or somebody withholds it',
  number_went_back: 'it is older than what was seen here before',
  number_used_twice: 'it has the number of another one that was seen here before',
  version_went_back: 'its version is older than what was seen here before',
};
