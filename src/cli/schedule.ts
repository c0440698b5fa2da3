/**
 * `renew-after`: what the fast path reads instead of the certificate. Two lines: the unix second from which on a renewal
 * is due (or `over`: the session ended, `out`: nobody is logged in), and the second in which the certificate ends.
 * No file: renew now, whatever is there.
 */
import { readFile, unlink } from 'node:fs/promises';
import { writeFileAtomically } from '../files/write-file.ts';
import { ignoreMissing } from './session-file.ts';
import type { StatePaths } from './state-paths.ts';

export interface Schedule {
  /** Unix seconds. */
  readonly renewAfter: number | 'over' | 'out';
  /** Unix seconds. */
  readonly validBefore: number;
}

/** A renewal is due when this part of a certificate's life is left: ten minutes of an hour. */
const partLeft = 1 / 6;

export function renewalDueAt({
  validAfter,
  validBefore,
}: {
  validAfter: number;
  validBefore: number;
}): number {
  return Math.floor(validBefore - (validBefore - validAfter) * partLeft);
}

export async function readSchedule(paths: StatePaths): Promise<Schedule | undefined> {
  const text = await readFile(paths.renewAfter, 'latin1').catch(() => '');
  const [, due, validBefore] = /^([0-9]{1,12}|over|out)\n([0-9]{1,12})\n$/.exec(text) ?? [];
  if (due === undefined) return undefined;
  const renewAfter = due === 'over' || due === 'out' ? due : Number(due);
  return { renewAfter, validBefore: Number(validBefore) };
}

export async function writeSchedule(paths: StatePaths, { renewAfter, validBefore }: Schedule): Promise<void> {
  await writeFileAtomically(paths.renewAfter, `${renewAfter}\n${validBefore}\n`, { mode: 0o600 });
}

/** The next ssh renews. */
export async function forgetSchedule(paths: StatePaths): Promise<void> {
  await unlink(paths.renewAfter).catch(ignoreMissing);
}
