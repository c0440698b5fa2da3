/**
 * The key options that stand before a principal or a key in what the companion answers sshd (authorized_keys format of
 * sshd(8)). sshd merges them with what the certificate permits: neither can widen the other. Pure.
 */
import type { PermittedTarget } from './decide-offer.ts';

/** sshd refuses the whole login over a limit a little above 4,096 (SSH_PERMIT_OPEN_MAX and its neighbours in OpenSSH). */
export const mostPermitted = 4_000;

export interface RouteCommand {
  /** What every session runs, ticket aside, as sshd's sessions see it: plain words (session-command.ts). */
  readonly words: readonly string[];
  readonly ticket: string;
}

export interface Permits {
  /** Where the client may forward to (-L, -J). 'anywhere': what the certificate permits is not narrowed. */
  readonly opens: readonly Pick<PermittedTarget, 'address' | 'port'>[] | 'anywhere';
  /** Whether it may listen on this machine's loopback (-R). */
  readonly listens: boolean;
  readonly agent: boolean;
}

export const nothingPermitted: Permits = { opens: [], listens: false, agent: false };

/** A port that no user may listen on and where nothing is: sshd knows no list that is empty. */
const nowhere = '"localhost:1"';

/** Every session of the connection is the program's, whatever the client asked for. */
export function keyOptions({ opens, listens, agent }: Permits, route: RouteCommand): string {
  const forwards = listens || opens === 'anywhere' || opens.length > 0;
  const permitopens = opens === 'anywhere' ? [] : opens.map((open) => `"${placeOf(open)}"`);
  const isClosed = opens !== 'anywhere' && permitopens.length === 0;
  return [
    'restrict',
    // What a terminal is for is the program's to say.
    'pty',
    ...(forwards ? ['port-forwarding'] : []),
    ...(forwards ? (isClosed ? [nowhere] : permitopens).map((open) => `permitopen=${open}`) : []),
    // Without one sshd would let the client listen wherever it likes.
    ...(forwards ? [`permitlisten=${listens ? '"localhost:*"' : nowhere}`] : []),
    ...(agent ? ['agent-forwarding'] : []),
    `command="exec ${[...route.words, route.ticket].join(' ')}"`,
  ].join(',');
}

/** permitopen wants brackets around IPv6 addresses. */
export function placeOf({ address, port }: Pick<PermittedTarget, 'address' | 'port'>): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}
