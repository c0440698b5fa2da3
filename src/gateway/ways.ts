/** Which ways lead through a gateway to a target that somebody may reach, pure. */
import { type Reason, reason } from '../policy/reasons.ts';
import type { KnownTarget } from './login-names.ts';

type Way = Pick<KnownTarget, 'accessMode' | 'environment' | 'host'>;

export function canJump({ accessMode }: Pick<Way, 'accessMode'>): boolean {
  return accessMode !== 'relay';
}

export function canRelay(target: Way): boolean {
  return relayObstacle(target) === undefined;
}

/** Why the gateway takes nobody on to the target itself; the CA would say the same. */
export function relayObstacle({ accessMode, environment, host }: Way): Reason | undefined {
  if (accessMode === 'jump') return reason('relay_off', environment);
  return host === null ? reason('host_missing') : undefined;
}
