/**
 * Answers sshd's AuthorizedPrincipalsCommand and the command of a refusal, from memory. An empty answer denies. The
 * connection is registered, on disk, before the answer leaves.
 */
import { isSallyportError } from '../errors/sallyport-error.ts';
import type { CheckedState } from './check-state.ts';
import type { Connections } from './connections.ts';
import { decideOffer, type Facts, type OfferDecision } from './decide-offer.ts';
import type { Log } from './log.ts';
import { type Offer, principalOf, readOffer } from './offered-certificate.ts';
import { gatewayLine, hostLine, mostPermitted, refusalLine } from './principals-answer.ts';
import { routeText } from './route-text.ts';
import type { SshdListener } from './sshd-listener.ts';
import type { Tickets } from './tickets.ts';

/** What a ticket stands for: who asked, as whom. The decision is made again when it is redeemed. */
export interface Ticketed {
  readonly offer: Offer;
  readonly user: string;
}

export interface Answering {
  readonly domain: string;
  readonly curl: string;
  /** route.sock as the sessions of sshd see it. */
  readonly routeSocket: string;
  readonly listener: SshdListener;
  readonly connections: Connections;
  readonly tickets: Tickets<Ticketed>;
  readonly log: Log;
  /** Undefined if nothing may be decided now: no state yet, or too old a one. */
  readonly current: () => { readonly checked: CheckedState; readonly facts: Facts } | undefined;
  readonly onStarted: () => void;
}

const noAnswer = '';

/** @param form ppid, user and key, as sshd's configuration sends them */
export function answerPrincipals(answering: Answering, form: URLSearchParams): string {
  const { listener, connections, tickets, log, domain, current } = answering;
  const user = form.get('user') ?? '';
  const now = current();
  if (now === undefined) return deny(log, user, 'there is no state to decide from');
  const { checked, facts } = now;
  const { companion } = facts.state;

  const monitor = listener.monitor(Number(form.get('ppid')));
  if (monitor === undefined)
    return deny(log, user, 'the question did not come from a connection of this sshd');

  let offer: Offer;
  try {
    const { nowSeconds } = facts;
    const publicOrigin = new URL(facts.state.public_url).origin;
    const checks = { ...checked, machine: companion.name, domain, publicOrigin, nowSeconds };
    offer = readOffer(form.get('key') ?? '', checks);
  } catch (error) {
    if (isSallyportError(error)) return deny(log, user, error.message);
    throw error;
  }

  const decision = decideOffer(offer, user, facts);
  if (decision.allowed.length + decision.refused.length === 0) {
    return deny(log, user, 'there is nothing here that the account may see', offer);
  }
  const permitted = waysOf(decision, facts).map(({ targetName, address, port }) => ({
    name: targetName,
    address,
    port,
  }));
  const connection = connections.register(monitor, {
    offer,
    user,
    permitted,
    offeredAtSeconds: facts.nowSeconds,
  });
  const principal = principalOf(offer, companion.name);
  const isHost = companion.kind === 'host';
  if (isHost && permitted.length > 0) return hostLine(principal);

  const ticket = tickets.issue(connection, { offer, user }, facts.nowSeconds * 1_000);
  const route = { curl: answering.curl, socket: answering.routeSocket, ticket };
  return isHost ? refusalLine(principal, route) : gatewayLine(principal, permitted, route);
}

/** @param form ticket, and the target that the client named. Undefined if the ticket is none. */
export function answerRoute(answering: Answering, form: URLSearchParams): string | undefined {
  const { tickets, connections, current, onStarted, log } = answering;
  const now = current();
  if (now === undefined) return undefined;
  const { facts } = now;
  const redeemed = tickets.redeem(form.get('ticket') ?? '', facts.nowSeconds * 1_000);
  if (redeemed === undefined) {
    log({
      level: 'warning',
      event: 'route.no_ticket',
      message: 'A request for words came without a live ticket.',
    });
    return undefined;
  }
  if (connections.markStarted(redeemed.connection, facts.nowSeconds)) onStarted();
  const { offer, user } = redeemed.value;
  const { companion } = facts.state;
  return routeText({
    decision: decideOffer(offer, user, facts),
    account: offer.account,
    user,
    gateway: companion.name,
    gatewayLogin: companion.gateway_login,
    asked: form.get('target') ?? '',
  });
}

/** Targets whose way is opened: none on a gateway where there are more than sshd takes, since a cut list would lie. */
function waysOf({ allowed }: OfferDecision, { state }: Facts): OfferDecision['allowed'] {
  if (state.companion.kind === 'host') return allowed;
  const jumps = allowed.filter(({ accessMode }) => accessMode !== 'relay');
  return jumps.length > mostPermitted ? [] : jumps;
}

function deny(log: Log, user: string, message: string, offer?: Offer): string {
  const facts = { user, account: offer?.account ?? null, session: offer?.sessionId ?? null };
  log({ level: 'info', event: 'offer.denied', message, facts });
  return noAnswer;
}
