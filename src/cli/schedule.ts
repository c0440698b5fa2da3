/**
 * `renew-after`: what the fast path reads instead of the certificate. The first line: the unix second from which on a
 * renewal is due, or `over`: the session has ended, or `out`: nobody is logged in. After the second may stand why the last
 * renewal gave nothing, for the person at the terminal: `refused`, `mfa` (log in with a second factor) or `mfa-900` (with
 * one that is at most 900 seconds old). The second line: the unix second before which the line above says nothing, because
 * a clock that shows an earlier one has been set back since. No file: renew now, whatever is there.
 *
 * sh and cmd can't tell the time themselves, but which of two files is younger. So the file is also dated to the moment of
 * its first line, and `identity.conf` to that of the second: between those two nothing is due, and no program is started
 * to find it out.
 */
import { lutimes, readFile, unlink } from 'node:fs/promises';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { writeFileAtomically } from '../files/write-file.ts';
import type { CurrentPair } from './current-pair.ts';
import type { StatePaths } from './state-paths.ts';

/** Unix seconds, or why there is nothing to renew. */
export type Schedule = number | 'over' | 'out';

/** Why the last renewal gave nothing. */
export type WhyNothing = 'refused' | 'mfa' | `mfa-${number}`;

/** A renewal is due when this part of a certificate's life is left: ten minutes of an hour. */
const partLeft = 1 / 6;
/** At least so much, but for a certificate that has hardly more to live. */
const leastLeftSeconds = 120;

/** Clocks are corrected by seconds all the time; what is less is no clock that was set back. */
const steadySeconds = 120;

/** By this machine's clock. */
export function renewalDueAt({
  validAfter,
  validBefore,
  endsHere = validBefore,
}: Pick<CurrentPair, 'validAfter' | 'validBefore'> & { readonly endsHere?: number }): number {
  const life = validBefore - validAfter;
  return Math.floor(endsHere - Math.max(life * partLeft, Math.min(leastLeftSeconds, life / 2)));
}

export interface Scheduled {
  readonly due: Schedule;
  /** Unix seconds; 0: whenever. */
  readonly since: number;
}

export async function readSchedule(paths: StatePaths): Promise<Scheduled | undefined> {
  const text = await readFile(paths.renewAfter, 'latin1').catch(() => '');
  const [, due, since = '0'] =
    /^([0-9]{1,12}|over|out)(?: refused| mfa(?:-[0-9]{1,9})?)?\n(?:([0-9]{1,12})\n)?$/.exec(text) ?? [];
  if (due === undefined) return undefined;
  return { due: due === 'over' || due === 'out' ? due : Number(due), since: Number(since) };
}

/** There is nothing to renew before a login. */
export async function renewNoMore(paths: StatePaths, why: 'over' | 'out'): Promise<void> {
  // Dated so that the fast path reads it, whatever the clock of the file system is.
  await writeFileAtomically(paths.renewAfter, `${why}\n`, { mode: 0o600, datedSeconds: 0 });
}

export async function renewFrom(
  paths: StatePaths,
  { due, nowSeconds, why }: { due: number; nowSeconds: number; why?: WhyNothing | undefined },
): Promise<void> {
  const line = why === undefined ? `${due}` : `${due} ${why}`;
  const since = nowSeconds - steadySeconds;
  await writeFileAtomically(paths.renewAfter, `${line}\n${since}\n`, { mode: 0o600, datedSeconds: due });
  // Without an identity, or without such dates, the fast path asks for the time and reads both lines.
  await lutimes(paths.identity, since, since).catch(() => {});
}

/** The next ssh renews. */
export async function forgetSchedule(paths: StatePaths): Promise<void> {
  await unlink(paths.renewAfter).catch(ignoreMissing);
}
