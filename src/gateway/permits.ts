/** What sshd is told to permit a connection beside its sessions, and whether it may keep that. Pure. */
import type { Connection } from './connection-file.ts';
import { type Facts, targetNamed } from './decide-offer.ts';
import { forwardingTo } from './forwarding-to.ts';
import type { KnownTarget } from './login-names.ts';
import type { Offer } from './offered-certificate.ts';
import { mostPermitted, nothingPermitted, type Permits, placeOf } from './principals-answer.ts';
import { canJump, canRelay } from './ways.ts';

/** @param targets those that the connection may go to */
export function permitsFor(targets: readonly KnownTarget[], offer: Offer, facts: Facts): Permits {
  if (targets.length === 0) return nothingPermitted;
  if (facts.state.companion.kind === 'host') return permitsAtHost(targets, offer);
  const forwardings = targets.map((target) => forwardingTo(target, offer, facts));
  const services = forwardings.flatMap((forwarding) => forwarding.services);
  const opens = [...openedAmong(targets, facts), ...services.filter(({ address }) => !isLoopback(address))];
  // The far side is named by the login alone: with several targets nobody could say which one it is.
  const isRelay = targets.length === 1 && targets.every(canRelay);
  return {
    opens: opens.length > mostPermitted ? [] : opens,
    listens: isRelay && (forwardings[0]?.remote ?? false),
    agent: isRelay && (forwardings[0]?.agent ?? false),
  };
}

/** A gateway brings nobody's tunnels along but what it carries on itself (-R). */
function permitsAtHost(targets: readonly KnownTarget[], { mode }: Offer): Permits {
  const some = (what: keyof KnownTarget['forwarding']) => targets.some(({ forwarding }) => forwarding[what]);
  return {
    opens: mode !== 'hop' && some('local') ? 'anywhere' : [],
    listens: some('remote'),
    agent: some('agent'),
  };
}

/** None where there are more than sshd takes, since a cut list would lie. */
export function openedAmong(
  targets: readonly KnownTarget[],
  { opensLoopback = false }: Pick<Facts, 'opensLoopback'>,
): readonly KnownTarget[] {
  const jumps = targets.filter((target) => canJump(target) && (opensLoopback || !isLoopback(target.address)));
  return jumps.length > mostPermitted ? [] : jumps;
}

/** The gateway's own: what listens there is nobody's to reach through it. */
function isLoopback(address: string): boolean {
  const host = plainHost(address);
  return /^(localhost|.*\.localhost|localhost6?(\.localdomain6?)?|ip6-(localhost|loopback)|127\..*|0\..*|::|::1)$/.test(
    host,
  );
}

/**
 * The one way to write an address of which the system's resolver takes several: 2130706433, 0x7f.1 and 0177.0.0.1 for an
 * IPv4 address, and IPv6 addresses with zeros in them or with an IPv4 address inside.
 */
function plainHost(address: string): string {
  const url = URL.parse(`http://${address.includes(':') ? `[${address}]` : address}/`);
  const host = url?.hostname.replace(/^\[|\]$/g, '') ?? address.toLowerCase();
  // The URL standard writes the IPv4 address inside as two groups.
  const [, high, low] = /^::(?:ffff:)?([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host) ?? [];
  if (high === undefined || low === undefined) return host;
  const bytes = [high, low].flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
  return bytes.join('.');
}

/** What a connection keeps of its permits (connection-file.ts). */
export function grantedBy({ opens, listens, agent }: Permits): NonNullable<Connection['granted']> {
  return { opens: opens === 'anywhere' ? opens : opens.map(placeOf), listens, agent };
}

/**
 * Whether a connection was given what it would not be given now: sshd asks once, at the login, and nothing tells what of
 * it is in use. A second leg needs the gateway's way to its target, and not that for jumps.
 */
export function isWithdrawn(connection: Connection, facts: Facts): boolean {
  const { granted, offer, permitted, way } = connection;
  const targets = permitted.flatMap(({ name }) => targetNamed(name, facts.state) ?? []);
  const isHost = facts.state.companion.kind === 'host';
  if (way === 'relay' && !isHost && !targets.every(canRelay)) return true;
  if (granted === null) return false;
  const now = grantedBy(permitsFor(targets, offer, facts));
  const unused = way === 'relay' ? new Set(permitted.map(placeOf)) : new Set<string>();
  return (
    (granted.listens && !now.listens) ||
    (granted.agent && !now.agent) ||
    !areAmong(granted.opens, now.opens, unused)
  );
}

type Opens = NonNullable<Connection['granted']>['opens'];

function areAmong(granted: Opens, now: Opens, unused: ReadonlySet<string>): boolean {
  if (granted === 'anywhere' || now === 'anywhere') return now === 'anywhere';
  const open = new Set(now);
  return granted.every((place) => open.has(place) || unused.has(place));
}
