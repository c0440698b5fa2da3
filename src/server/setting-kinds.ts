/** Kinds of settings: how each is written in an environment. */
import { isIP } from 'node:net';
import { z } from 'zod';

/** `about` is what the person reads where the setting is missing. */
export function text(about: string) {
  return z.string(about).min(1);
}

export function words() {
  return z
    .string()
    .transform((given) => given.split(/[\s,]+/).filter((word) => word !== ''))
    .pipe(z.array(z.string()).min(1, 'holds no word'));
}

/** https, or http to this machine itself: tokens and cookies travel to it. */
export function serverUrl(about: string) {
  return text(about).refine(isSecure, 'must be an https:// URL (http:// only on this machine itself)');
}

/** Whether a URL's host is this machine itself. */
export function isLoopback(url: URL): boolean {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

function isSecure(given: string): boolean {
  if (!URL.canParse(given)) return false;
  const url = new URL(given);
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url));
}
