/**
 * Lets a connection in as far as sshd is concerned: decides, registers it on disk, and makes the key options under which
 * sshd goes on. Certificates, registered keys and codes all come through here. Whoever is refused with words is let in
 * too, to read them and for nothing else.
 */
import type { Answering } from './answering.ts';
import { decideOffer, type Facts, type OfferDecision, type PermittedTarget } from './decide-offer.ts';
import type { Basis } from './decision-basis.ts';
import { forwardingTo } from './forwarding-to.ts';
import type { KnownTarget } from './login-names.ts';
import type { Offer } from './offered-certificate.ts';
import { keyOptions, mostPermitted, nothingPermitted, type Permits } from './principals-answer.ts';
import type { ProcessId } from './proc.ts';
import { newTicket } from './tickets.ts';
import { canJump, canRelay } from './ways.ts';

export interface Asking {
  /** The connection's privileged process, found in /proc. */
  readonly monitor: ProcessId;
  readonly offer: Offer;
  /** The login name. */
  readonly user: string;
}

export interface Admission {
  /** Everything before the principal or the key. */
  readonly options: string;
}

/** Undefined: no answer at all, as for a name that does not exist. The connection is on disk when this returns. */
export function admit(answering: Answering, asking: Asking, basis: Basis): Admission | undefined {
  const registered = registerOffer(answering, asking, basis);
  if (registered === undefined) return undefined;
  const { decision, ticket } = registered;
  const route = { program: answering.routeProgram, ticket };
  return { options: keyOptions(permitsOf(decision, asking.offer, basis.facts), route) };
}

export interface RegisteredOffer {
  readonly decision: OfferDecision;
  readonly ticket: string;
}

/** The same without key options, for where sshd takes none: who came with a one-time code. */
export function registerOffer(
  answering: Answering,
  asking: Asking,
  { facts }: Basis,
): RegisteredOffer | undefined {
  const { monitor, offer, user } = asking;
  const decision = decideOffer(offer, user, facts);
  const { allowed, refused, menu } = decision;
  if (allowed.length + refused.length === 0 && !menu) return undefined;
  const { ticket, digest } = newTicket();
  answering.connections.register(monitor, {
    offer,
    user,
    permitted: permittedOf(decision, facts),
    offeredAtSeconds: facts.nowSeconds,
    ticketDigest: digest,
    way: wayAtHost(decision, offer, facts),
  });
  return { decision, ticket };
}

/** What the connection is judged by for as long as it lives. Which way it goes, and from a menu where to, shows later. */
function permittedOf({ allowed, menu }: OfferDecision, { state }: Facts): PermittedTarget[] {
  if (menu) return [];
  const isAlone = state.companion.kind === 'host' || allowed.length === 1;
  const ways = isAlone ? allowed : openedAmong(allowed);
  return ways.map(({ targetName, address, port }) => ({ name: targetName, address, port }));
}

function wayAtHost({ allowed }: OfferDecision, offer: Offer, { state }: Facts) {
  if (state.companion.kind !== 'host') return null;
  if (allowed.length === 0) return 'refusal';
  return offer.mode === 'hop' ? 'relay' : 'host';
}

function permitsOf(decision: OfferDecision, offer: Offer, facts: Facts): Permits {
  const { allowed, menu } = decision;
  if (menu || allowed.length === 0) return nothingPermitted;
  if (facts.state.companion.kind === 'host') return permitsAtHost(allowed, offer);
  const forwardings = allowed.map((target) => forwardingTo(target, offer, facts));
  const services = forwardings.flatMap((forwarding) => forwarding?.services ?? []);
  const opens = [...openedAmong(allowed), ...services.filter(({ address }) => !isLoopback(address))];
  // The far side is named by the login alone: with several targets nobody could say which one it is.
  const isRelay = allowed.length === 1 && allowed.every(canRelay);
  return {
    opens: opens.length > mostPermitted ? [] : opens,
    listens: isRelay && (forwardings[0]?.remote ?? false),
    agent: isRelay && (forwardings[0]?.agent ?? false),
  };
}

/** A gateway brings nobody's tunnels along but what it carries on itself (-R). */
function permitsAtHost(allowed: readonly KnownTarget[], { mode }: Offer): Permits {
  const some = (what: keyof KnownTarget['forwarding']) => allowed.some(({ forwarding }) => forwarding[what]);
  return {
    opens: mode !== 'hop' && some('local') ? 'anywhere' : [],
    listens: some('remote'),
    agent: some('agent'),
  };
}

/** None where there are more than sshd takes, since a cut list would lie. */
function openedAmong(allowed: readonly KnownTarget[]): readonly KnownTarget[] {
  const jumps = allowed.filter(canJump);
  return jumps.length > mostPermitted ? [] : jumps;
}

/** The gateway's own: what listens there is nobody's to reach through it. */
function isLoopback(address: string): boolean {
  return /^(localhost|.*\.localhost|127\..*|0\..*|0|::|::1|::ffff:127\..*|::ffff:0\..*)$/i.test(address);
}
