/** What an offer may forward on its way to a target, by the facts of the installed state. Pure. */
import { decideForwarding, type ForwardingDecision } from '../policy/decide-forwarding.ts';
import { accountOf, type Facts } from './decide-offer.ts';
import type { KnownTarget } from './login-names.ts';
import type { Offer } from './offered-certificate.ts';

export function forwardingTo(
  target: KnownTarget,
  offer: Offer,
  { state, nowSeconds }: Facts,
): ForwardingDecision {
  const account = accountOf(offer, state);
  if (account === undefined) return { services: [], remote: false, agent: false };
  const { services, access_rules: rules } = state;
  return decideForwarding({ account, session: offer, target, rules, services, nowSeconds });
}
