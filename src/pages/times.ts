/** How pages tell time: short and relative, with the exact moment (UTC) in the element. */
import { type Html, html } from './html.ts';

/** `<time>` for a moment in unix seconds: "just now", "5 min ago", "in 3 h", "12 Nov 2026". */
export function moment(atSeconds: number, nowSeconds: number): Html {
  const date = new Date(atSeconds * 1000);
  const exact = `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  return html`<time datetime="${date.toISOString()}" title="${exact}">${relative(atSeconds, nowSeconds)}</time>`;
}

function relative(atSeconds: number, nowSeconds: number): string {
  const distance = Math.abs(atSeconds - nowSeconds);
  if (distance < 45) return atSeconds > nowSeconds ? 'in a moment' : 'just now';
  const inWords = span(distance);
  if (!inWords) {
    return new Date(atSeconds * 1000).toLocaleDateString('en-GB', {
      day: 'numeric',
      month: 'short',
      year: 'numeric',
      timeZone: 'UTC',
    });
  }
  return atSeconds > nowSeconds ? `in ${inWords}` : `${inWords} ago`;
}

function span(seconds: number): string | undefined {
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.round(seconds / 3600);
  if (hours < 24) return `${hours} h`;
  const days = Math.round(seconds / 86_400);
  return days < 14 ? `${days} d` : undefined;
}

const units = [
  [86_400, 'day', 'days'],
  [3600, 'hour', 'hours'],
  [60, 'minute', 'minutes'],
  [1, 'second', 'seconds'],
] as const;

/** A setting's length of time, exactly: "1 day", "90 minutes", "86401 seconds". */
export function duration(seconds: number): string {
  const [size, one, many] = units.find(([unit]) => seconds >= unit && seconds % unit === 0) ?? [
    1,
    'second',
    'seconds',
  ];
  const count = seconds / size;
  return `${count} ${count === 1 ? one : many}`;
}
