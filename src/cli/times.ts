/** Moments and spans in the words of a person, in the time zone of the machine. */
import { SallyportError } from '../errors/sallyport-error.ts';

/** "17:32", "tomorrow 08:00" or "2026-11-23 08:00". */
export function momentText(seconds: number, now: Date): string {
  const moment = new Date(seconds * 1000);
  const clock = `${two(moment.getHours())}:${two(moment.getMinutes())}`;
  const tomorrow = new Date(now);
  tomorrow.setDate(now.getDate() + 1);
  if (dayText(moment) === dayText(now)) return clock;
  if (dayText(moment) === dayText(tomorrow)) return `tomorrow ${clock}`;
  return `${dayText(moment)} ${clock}`;
}

/** Unix seconds of what a person wrote. @throws settings_invalid */
export function momentOf(text: string, now: Date): number {
  const isRfc3339 = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)$/.test(text);
  const time = text === 'now' ? now.getTime() : isRfc3339 ? Date.parse(text) : later(text, now);
  if (Number.isFinite(time)) return Math.floor(time / 1000);
  throw new SallyportError(
    'settings_invalid',
    'A moment is given as 2026-05-04T10:00:00Z, as "in 2h" (s, m, h, d or w), or as now.',
  );
}

const unitMilliseconds = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Milliseconds of "in 2h"; NaN if it is none. */
function later(text: string, now: Date): number {
  const [, count = '', unit = 's'] = /^in ([0-9]{1,6}) ?([smhdw])$/.exec(text) ?? [];
  return count === '' ? Number.NaN : now.getTime() + Number(count) * unitMilliseconds[unit as 's'];
}

/** "in 7 h 58 min", "now", "4 min ago". */
export function fromNow(seconds: number, now: Date): string {
  const difference = seconds - Math.floor(now.getTime() / 1000);
  if (difference === 0) return 'now';
  return difference > 0 ? `in ${spanText(difference)}` : `${spanText(-difference)} ago`;
}

/** "7 h 58 min", "4 min", "40 s". */
export function spanText(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days >= 2) return `${days} days`;
  if (hours > 0) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min` : `${seconds} s`;
}

function dayText(moment: Date): string {
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
