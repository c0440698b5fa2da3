/** What a shell on a terminal is shown first: where the person is, and for how long. Pure, printable ASCII. */
import type { KnownTarget } from './login-names.ts';
import type { Offer } from './offered-certificate.ts';

export function welcomeText(targets: readonly KnownTarget[], { account }: Offer): string[] {
  const [target] = targets;
  if (target === undefined) return [];
  const { organization, project, environment, app, instance, environmentKind } = target;
  const place = [organization, project, environment, app, ...(instance === null ? [] : [instance])];
  return [`${place.join(' / ')} (${environmentKind})`, `You are ${account}.`];
}
