/**
 * `renew-after`: what the fast path reads instead of the certificate. One line: the unix second from which on a renewal
 * is due, or `over`: the session has ended, or `out`: nobody is logged in. After the second may stand why the last
 * renewal gave nothing, for the person at the terminal: `refused`, `mfa` (log in with a second factor) or `mfa-900` (with
 * one that is at most 900 seconds old). No file: renew now, whatever is there.
 */
import { readFile, unlink } from 'node:fs/promises';
import { writeFileAtomically } from '../files/write-file.ts';
import { ignoreMissing } from './session-file.ts';
import type { StatePaths } from './state-paths.ts';

/** Unix seconds, or why there is nothing to renew. */
export type Schedule = number | 'over' | 'out';

/** Why the last renewal gave nothing. */
export type WhyNothing = 'refused' | 'mfa' | `mfa-${number}`;

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
  const [, due] = /^([0-9]{1,12}|over|out)(?: refused| mfa(?:-[0-9]{1,9})?)?\n$/.exec(text) ?? [];
  if (due === undefined || due === 'over' || due === 'out') return due;
  return Number(due);
}

export async function writeSchedule(paths: StatePaths, schedule: Schedule, why?: WhyNothing): Promise<void> {
  const line = why === undefined ? `${schedule}\n` : `${schedule} ${why}\n`;
  await writeFileAtomically(paths.renewAfter, line, { mode: 0o600 });
}

/** The next ssh renews. */
export async function forgetSchedule(paths: StatePaths): Promise<void> {
  await unlink(paths.renewAfter).catch(ignoreMissing);
}
