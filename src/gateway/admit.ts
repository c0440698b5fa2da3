/**
 * Lets a connection in as far as sshd is concerned: decides, registers it on disk, and makes the key options under which
 * sshd goes on. Certificates, registered keys and codes all come through here. Whoever is refused with words is let in
 * too, to read them and for nothing else.
 */
import type { Answering } from './answering.ts';
import { decideOffer, type Facts, type OfferDecision, type PermittedTarget } from './decide-offer.ts';
import type { Basis } from './decision-basis.ts';
import type { Offer } from './offered-certificate.ts';
import { grantedBy, openedAmong, permitsFor } from './permits.ts';
import { keyOptions, type Permits } from './principals-answer.ts';
import type { ProcessId } from './proc.ts';
import { newTicket } from './tickets.ts';

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
  const route = { words: answering.sessionCommand, ticket };
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
    granted: grantedBy(permitsOf(decision, offer, facts)),
  });
  return { decision, ticket };
}

/** What the connection is judged by for as long as it lives. Which way it goes, and from a menu where to, shows later. */
function permittedOf({ allowed, menu }: OfferDecision, facts: Facts): PermittedTarget[] {
  if (menu) return [];
  const isAlone = facts.state.companion.kind === 'host' || allowed.length === 1;
  const ways = isAlone ? allowed : openedAmong(allowed, facts);
  return ways.map(({ targetName, address, port }) => ({ name: targetName, address, port }));
}

function wayAtHost({ allowed }: OfferDecision, offer: Offer, { state }: Facts) {
  if (state.companion.kind !== 'host') return null;
  if (allowed.length === 0) return 'refusal';
  return offer.mode === 'hop' ? 'relay' : 'host';
}

/** From a menu nothing is opened but the second leg. */
function permitsOf({ allowed, menu }: OfferDecision, offer: Offer, facts: Facts): Permits {
  return permitsFor(menu ? [] : allowed, offer, facts);
}
