/** Moments to the second, for reading and for comparing with logs: local time, and UTC where that is another. */

/** 9999-12-31 23:59:59 UTC: beyond it no calendar goes. What software writes for "forever" is higher. */
const lastSecond = 253_402_300_799;

/** Unix seconds as a number, or null for a time that no calendar has. */
export function calendarSeconds(seconds: bigint): number | null {
  return seconds > lastSecond ? null : Number(seconds);
}

/** Whether something from outside is a moment that exactMoment() can write. */
export function isCalendarSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= lastSecond;
}

/** "2027-01-15 09:59:30 +01:00 (08:59:30 UTC)" */
export function exactMoment(seconds: number): string {
  const moment = new Date(seconds * 1000);
  const utc = moment.toISOString().slice(0, 19).replace('T', ' ');
  const offset = -moment.getTimezoneOffset();
  if (offset === 0) return `${utc} UTC`;
  const local = new Date(moment.getTime() + offset * 60_000).toISOString().slice(0, 19).replace('T', ' ');
  const isSameDay = local.slice(0, 10) === utc.slice(0, 10);
  return `${local} ${offsetText(offset)} (${isSameDay ? utc.slice(11) : utc} UTC)`;
}

function offsetText(minutes: number): string {
  const size = Math.abs(minutes);
  const two = (number: number) => String(number).padStart(2, '0');
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}
