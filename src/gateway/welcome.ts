/**
 * What a shell on a terminal is shown first: where the person is, as whom, and for how long. Pure. Never shown to
 * programs: without a terminal, or with a command, nothing is added to what they read.
 */
import type { Connection } from './connection-file.ts';
import type { KnownTarget } from './login-names.ts';

/** On a host. Several targets may share a login: then there are several places, and the strictest limits. */
export function welcomeText(targets: readonly KnownTarget[], connection: Connection): string[] {
  const { offer, user, startedAtSeconds, offeredAtSeconds } = connection;
  const way = offer.mode === 'hop' ? ' through a gateway' : '';
  const longest = smallest(targets.map(({ maxConnectionSeconds }) => maxConnectionSeconds));
  const idle = smallest(targets.map(({ idleTimeoutSeconds }) => idleTimeoutSeconds));
  const startedAt = startedAtSeconds ?? offeredAtSeconds;
  return [
    ...targets.map(placeOf),
    `You are ${offer.account}, logged in as ${user}${way}.`,
    ...(longest === null ? [] : [`This connection ends at ${utc(startedAt + longest)} at the latest.`]),
    ...(idle === null ? [] : [`It ends when nothing was said for ${minutes(idle)}.`]),
    // A gateway knows when the login session ends; its certificate for the second leg is a minute's.
    ...(offer.mode === 'hop' ? [] : [`Your certificate is good until ${utc(offer.validBeforeSeconds)}.`]),
  ];
}

/** On a gateway, before the host's. */
export function relayWelcome(sessionExpiresAtSeconds: number | null): string[] {
  return sessionExpiresAtSeconds === null
    ? []
    : [`Your login session ends at ${utc(sessionExpiresAtSeconds)}.`];
}

function placeOf({
  organization,
  project,
  environment,
  environmentKind,
  app,
  instance,
}: KnownTarget): string {
  const kind = environment === environmentKind ? '' : ` (${environmentKind})`;
  const place = [
    organization,
    project,
    `${environment}${kind}`,
    app,
    ...(instance === null ? [] : [instance]),
  ];
  return place.join(' / ');
}

function smallest(limits: readonly (number | null)[]): number | null {
  const known = limits.filter((limit) => limit !== null);
  return known.length === 0 ? null : Math.min(...known);
}

function utc(seconds: number): string {
  return `${new Date(seconds * 1_000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

function minutes(seconds: number): string {
  return seconds < 120 ? `${seconds} seconds` : `${Math.floor(seconds / 60)} minutes`;
}
