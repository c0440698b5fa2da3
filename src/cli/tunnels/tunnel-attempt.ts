/**
 * What is asked before each ssh of a tunnel: whether the login still serves, by way of which target it goes now, and where its
 * services are. While the server is away the last answer counts, as it does at gateways.
 */
import { isSallyportError, type SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { type EnsureOptions, ensureCertificate } from '../ensure-certificate.ts';
import { printable } from '../printable.ts';
import { requireAllowed } from '../reach/find-target.ts';
import { prepareSsh } from '../reach/prepare-ssh.ts';
import { seenTargets } from '../reach/seen-targets.ts';
import { sessionOver } from '../session-file.ts';
import { withCommand } from '../step-up.ts';
import { type TunnelWay, wayOf } from './tunnel-arguments.ts';
import { placeOf, type Tunnel, type TunnelService } from './tunnel-state.ts';
import { sameOf, servicesBehind } from './tunnel-target.ts';

export interface Ready {
  readonly kind: 'ready';
  readonly way: TunnelWay;
  readonly target: string;
  readonly services: readonly TunnelService[];
  /** Whether the server has said so just now. */
  readonly isFresh: boolean;
}

export type Attempt =
  | Ready
  /** Nothing that could mend by itself. */
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'later'; readonly why: string };

/** @param last what the attempt before had, if there was one */
export async function attemptTunnel(
  context: SallyContext,
  tunnel: Tunnel,
  last: Ready | undefined,
  { renew = false } = {},
): Promise<Attempt> {
  try {
    const without = await withoutCertificate(context, { force: renew });
    return without ?? (await ask(context, tunnel, renew));
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    if (!isOutage(error)) return { kind: 'refused', why: sentence(error) };
    context.debug.say(`the server is away: ${error.message}`);
    return last ? { ...last, isFresh: false } : { kind: 'later', why: sentence(error) };
  }
}

/** @returns undefined if there is one that a gateway would take */
async function withoutCertificate(
  context: SallyContext,
  options: EnsureOptions,
): Promise<Attempt | undefined> {
  const outcome = await ensureCertificate(context, options);
  switch (outcome.kind) {
    case 'logged-out':
    case 'over':
      return { kind: 'refused', why: sentence(sessionOver()) };
    case 'outage':
    case 'refused':
      if (outcome.pair) return undefined;
      return { kind: outcome.kind === 'outage' ? 'later' : 'refused', why: sentence(outcome.error) };
    default:
      return undefined;
  }
}

async function ask(context: SallyContext, tunnel: Tunnel, renew: boolean): Promise<Attempt> {
  const seen = await seenTargets(context);
  const target = sameOf(seen, { ...tunnel, name: tunnel.target });
  const place = placeOf(tunnel);
  if (!target) {
    const isEmpty = seen.emptyApps.some((name) => name.startsWith(`${place}--`));
    if (isEmpty) return { kind: 'later', why: `${place} has no instances now` };
    return { kind: 'refused', why: `you have no role on ${place} any more` };
  }
  if (!target.allowed) return notAllowed(target);
  const reply = await servicesBehind(context, target);
  const services = tunnel.services.map((service): TunnelService => {
    const now = reply.services.find(({ name }) => name === service.name);
    return now ? { ...service, ...now, open: true } : { ...service, open: false };
  });
  const names = services.map(({ name }) => name).join(', ');
  if (!services.some(({ open }) => open)) {
    return { kind: 'refused', why: `${place} lets you have no tunnel to ${names} any more` };
  }
  await prepareSsh(context, seen, target);
  if (target.narrowed) {
    // A host without a companion takes only the certificate of its environment.
    const { project, environment } = target;
    const without = await withoutCertificate(context, {
      force: renew,
      environment: { project, environment },
    });
    if (without) return without;
  }
  const way = wayOf(target, seen.gateways.get(target.gateways[0] ?? ''));
  return { kind: 'ready', way, target: target.name, services, isFresh: true };
}

/** States of an instance that pass without anybody at this end. */
const passing = /^(instance_(starting|stopped|paused|inactive)|no_instance|machine_stale|machine_clock)$/;

function notAllowed(target: Parameters<typeof requireAllowed>[0]): Attempt {
  try {
    requireAllowed(target);
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    return { kind: passing.test(target.reason?.code ?? '') ? 'later' : 'refused', why: sentence(error) };
  }
  throw new TypeError('it is allowed');
}

function isOutage({ status, code }: SallyportError): boolean {
  return status >= 500 || code === 'too_many_attempts' || code === 'in_use';
}

function sentence(error: SallyportError): string {
  return printable((error.code === 'insufficient_user_authentication' ? withCommand(error) : error).message);
}
