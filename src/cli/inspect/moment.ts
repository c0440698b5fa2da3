/** Moments to the second, for reading and for comparing with logs: local time, and UTC where that is another. */

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
