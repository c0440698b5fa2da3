/**
 * Tells the program `route` what a session is to be: the words of a refusal, the menu, the second leg to a target, or, on
 * a host, where the session starts. It is asked for every session of a connection, and everything is decided again.
 */
import { isSallyportError } from '../errors/sallyport-error.ts';
import { type Reason, reason } from '../policy/reasons.ts';
import { refusalText } from '../policy/refusal.ts';
import type { Answering } from './answering.ts';
import { readAsked } from './asked-target.ts';
import { type Connection, connectionKey } from './connection-file.ts';
import type { Use } from './connections.ts';
import { decideOffer, type Facts, type OfferDecision } from './decide-offer.ts';
import { forwardingTo } from './forwarding-to.ts';
import { listeningPorts } from './listening-ports.ts';
import type { KnownTarget } from './login-names.ts';
import { menuTargets } from './menu-targets.ts';
import type { ProcessId } from './proc.ts';
import { sessionLeaders } from './process-sessions.ts';
import { type RouteReply, routeReply } from './route-reply.ts';
import { relayFailureText, routeText } from './route-text.ts';
import { sessionStart } from './session-start.ts';
import { ticketDigest } from './tickets.ts';
import { canRelay } from './ways.ts';

/** @param form ticket, asked (what the client wants to run) and terminal. Undefined if the ticket is none */
export async function answerRoute(
  answering: Answering,
  form: URLSearchParams,
  gone: AbortSignal,
): Promise<string | undefined> {
  const asking = liveConnection(answering, form);
  if (asking === undefined) return undefined;
  const isHost = answering.current()?.facts.state.companion.kind === 'host';
  // Before anything is decided, since it may take its time, in which a client may go: what ran then would be nobody's.
  const leaders = isHost ? await sessionLeaders(asking) : [];
  const connection = isHost ? liveConnection(answering, form) : asking;
  const basis = answering.current();
  if (basis === undefined || connection === undefined) return undefined;
  return routeReply(await decideSession(answering, connection, basis.facts, { form, gone, leaders }));
}

/** Whose ticket it is. Every route of the socket begins here. */
export function liveConnection(answering: Answering, form: URLSearchParams): Connection | undefined {
  const connection = answering.connections.byTicket(ticketDigest(form.get('ticket') ?? ''));
  if (connection !== undefined) return connection;
  const message = 'A request for a session came without a live ticket.';
  answering.log({ level: 'warning', event: 'route.no_ticket', message });
  return undefined;
}

interface AskedSession {
  readonly form: URLSearchParams;
  readonly gone: AbortSignal;
  /** Of the connection's process sessions; known at hosts. */
  readonly leaders: readonly ProcessId[];
}

async function decideSession(
  answering: Answering,
  connection: Connection,
  facts: Facts,
  { form, gone, leaders }: AskedSession,
): Promise<RouteReply> {
  const { offer, user } = connection;
  const decision = decideOffer(offer, user, facts);
  const asked = form.get('asked') ?? '';
  if (facts.state.companion.kind === 'host') {
    const [target] = decision.allowed;
    if (target === undefined) return refuse(answering, connection, facts, decision, asked);
    note(answering, connection, { way: connection.way ?? 'host', leaders }, facts);
    return { kind: 'run', ...sessionStart(decision.allowed, connection) };
  }
  if (decision.menu) {
    const isTerminal = form.get('terminal') === 'yes';
    return await decideMenu(answering, connection, decision, { facts, asked, gone }, isTerminal);
  }
  const isNamed = facts.state.companion.gateway_login !== null;
  const target = isNamed
    ? decision.allowed.find(({ targetName }) => targetName === asked.trim())
    : decision.allowed[0];
  if (target !== undefined && canRelay(target)) {
    const relaying = { facts, asked: isNamed ? null : asked, gone };
    return await relayTo(answering, connection, target, relaying);
  }
  return refuse(answering, connection, facts, decision, asked);
}

/** Where the menu is called: the target that the client names, or the menu, or words where there is no terminal. */
async function decideMenu(
  answering: Answering,
  connection: Connection,
  decision: OfferDecision,
  { facts, asked, gone }: Relaying & { readonly asked: string },
  isTerminal: boolean,
): Promise<RouteReply> {
  const named = readAsked(asked, menuTargets(decision, facts, connection.offer));
  if (named.kind === 'target') {
    const { name, isApp } = named.target;
    if (isApp) return refuseApp(answering, connection, facts, name, reason('no_instance', name));
    const target = decision.allowed.find(({ targetName }) => targetName === name);
    return target !== undefined && canRelay(target)
      ? await relayTo(answering, connection, target, { facts, asked: null, gone })
      : refuse(answering, connection, facts, decision, name);
  }
  if (isTerminal && named.kind !== 'unknown') {
    note(answering, connection, { way: 'menu' }, facts);
    return { kind: 'menu' };
  }
  if (named.kind !== 'app') return refuse(answering, connection, facts, decision, asked);
  const names = named.instances.map(({ name }) => name);
  return refuseApp(answering, connection, facts, named.name, reason('instance_needed', named.name, names));
}

/** Nobody logs in to an app. */
function refuseApp(
  answering: Answering,
  connection: Connection,
  facts: Facts,
  service: string,
  why: Reason,
): RouteReply {
  note(answering, connection, { way: 'refusal' }, facts);
  return { kind: 'words', text: refusalText({ service, user: connection.offer.account, reasons: [why] }) };
}

export interface Relaying {
  readonly facts: Facts;
  /** What the client wants to run; null: a shell, since what it sent only named the target. */
  readonly asked: string | null;
  readonly gone: AbortSignal;
}

/** The second leg to a target that the connection may go to now. Words, if it can't be had. */
export async function relayTo(
  answering: Answering,
  connection: Connection,
  target: KnownTarget,
  { facts, asked, gone }: Relaying,
): Promise<RouteReply> {
  const { address, port, login, targetName: name } = target;
  try {
    const leg = await answering.relays.open(connection, target, facts, gone);
    // From a menu it may not have been permitted before.
    note(answering, connection, { way: 'relay', target: { name, address, port } }, facts);
    const { remote, agent } = forwardingTo(target, connection.offer, facts);
    return {
      kind: 'relay',
      address,
      port,
      login,
      ...leg,
      subsystem: asked !== null && isSftp(asked) ? 'sftp' : null,
      shell: asked === null,
      forwardAgent: agent,
      remotePorts: remote ? await listeningPorts(connection) : [],
    };
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    note(answering, connection, { way: 'refusal' }, facts);
    return { kind: 'words', text: relayFailureText({ target, error, ...askerOf(connection, facts) }) };
  }
}

function refuse(
  answering: Answering,
  connection: Connection,
  facts: Facts,
  decision: OfferDecision,
  asked: string,
): RouteReply {
  note(answering, connection, { way: 'refusal' }, facts);
  return { kind: 'words', text: routeText({ decision, asked, ...askerOf(connection, facts) }) };
}

function askerOf({ offer, user }: Connection, { state }: Facts) {
  const { name: gateway, gateway_login: gatewayLogin } = state.companion;
  return { account: offer.account, user, gateway, gatewayLogin };
}

function note(
  { connections, onStarted }: Answering,
  connection: Connection,
  use: Use,
  { nowSeconds }: Facts,
): void {
  if (connections.markUsed(connectionKey(connection), use, nowSeconds)) onStarted();
}

/** How sshd passes the subsystem on to a forced command: as the program that would serve it. */
function isSftp(asked: string): boolean {
  return /^(internal-sftp|\/[A-Za-z0-9._/-]*\/sftp-server)( |$)/.test(asked);
}
