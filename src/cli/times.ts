/** Moments and spans in the words of a person, in the time zone of the machine. */

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
