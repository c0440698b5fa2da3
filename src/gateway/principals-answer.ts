/**
 * The line that AuthorizedPrincipalsCommand prints: key options and a principal (sshd_config(5), authorized_keys format
 * of sshd(8)). sshd takes what stands after the last blank as the principal, and merges the options with what the
 * certificate permits: neither can widen the other. Pure.
 */
import type { PermittedTarget } from './decide-offer.ts';

/** sshd refuses the whole login over a limit a little above 4,096 (SSH_PERMIT_OPEN_MAX and its neighbours in OpenSSH). */
export const mostPermitted = 4_000;

export interface RouteCommand {
  readonly curl: string;
  /** As the sessions of sshd see it; checkSocketPath() has passed. */
  readonly socket: string;
  readonly ticket: string;
}

/** On a gateway: forwarding to these targets and nothing else, and the words of `route` for whoever asks for a shell. */
export function gatewayLine(
  principal: string,
  permitted: readonly PermittedTarget[],
  route: RouteCommand,
): string {
  const forwarding = permitted.length > 0 ? ['port-forwarding'] : [];
  const opens = permitted.map(({ address, port }) => `permitopen="${hostOf(address)}:${port}"`);
  // A terminal harms nothing and spares the person "PTY allocation request failed" before the words.
  return `${['restrict', 'pty', ...forwarding, ...opens, commandOption(route)].join(',')} ${principal}\n`;
}

/** On a host: the person gets in; what the session may do is for the certificate's own permits. */
export function hostLine(principal: string): string {
  return `no-agent-forwarding ${principal}\n`;
}

/** In, but only to read why not. */
export function refusalLine(principal: string, route: RouteCommand): string {
  return gatewayLine(principal, [], route);
}

/**
 * Runs in the user's shell, whichever that is, so it is one word of sh inside single quotes. What the client asked for
 * is one argument of curl and never shell text. The words go to stderr, and the command fails whatever they are.
 */
function commandOption({ curl, socket, ticket }: RouteCommand): string {
  const request = [
    `exec 1>&2`,
    `${curl} -q -sS --max-time 10 --unix-socket ${socket} --data-urlencode ticket=${ticket} --data-urlencode "target=$SSH_ORIGINAL_COMMAND" http://gateway/route`,
    'exit 1',
  ].join('; ');
  return `command="${`exec /bin/sh -c '${request}'`.replaceAll('"', '\\"')}"`;
}

/** permitopen wants brackets around IPv6 addresses. */
function hostOf(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
