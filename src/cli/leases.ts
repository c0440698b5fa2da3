/** Leases of firewalls: asked of the server, and waited for until the machine answers. */
import { type LeaseDocument, type LeaseList, leaseList, leaseReply, leaseRequest } from '../api/leases.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { contains } from '../ssh/networks.ts';
import type { SallyContext } from './context.ts';
import { portFailure } from './network/gateway-ports.ts';
import { callSignedIn } from './signed-in.ts';
import { wellFormed } from './well-formed.ts';

export interface Wanted {
  readonly machine: string;
  readonly network?: string | undefined;
  readonly port?: number | undefined;
  readonly ttlSeconds?: number | undefined;
}

/** Opens, or extends what is open. @throws what the server refuses with; unavailable */
export async function openLeases(
  context: SallyContext,
  { machine, network, port, ttlSeconds }: Wanted,
): Promise<readonly LeaseDocument[]> {
  const body = wellFormed(leaseRequest, {
    machine,
    ...(network === undefined ? {} : { network }),
    ...(port === undefined ? {} : { port }),
    ...(ttlSeconds === undefined ? {} : { ttl_seconds: ttlSeconds }),
  });
  const { leases } = await callSignedIn(context, {
    method: 'POST',
    path: '/v1/leases',
    body,
    reply: leaseReply,
  });
  return leases;
}

export async function ownLeases(context: SallyContext): Promise<LeaseList> {
  return await callSignedIn(context, { method: 'GET', path: '/v1/leases', reply: leaseList });
}

const tries = 40;
const pauseMilliseconds = 500;

/** @returns undefined once sshd answers through the firewall; otherwise why it does not */
export async function waitForAnswer(
  context: SallyContext,
  { address, port }: LeaseDocument,
): Promise<string | undefined> {
  for (let tried = 1; ; tried += 1) {
    const failure = await portFailure(context, { address }, port);
    if (failure === undefined || tried === tries) return failure;
    await context.wait(pauseMilliseconds);
  }
}

/** Before ssh runs. What stands in the way is told and no more: the firewall may be open without a lease. */
export async function openForConnection(context: SallyContext, gateway: string): Promise<void> {
  const { terminal, debug } = context;
  try {
    for (const lease of await openLeases(context, { machine: gateway })) {
      debug.say(`lease: ${lease.machine} is open at port ${lease.port} for ${lease.network}`);
      const failure = await waitForAnswer(context, lease);
      if (failure !== undefined)
        terminal.tell(`sally: ${lease.machine} was asked to let ${lease.network} in, but ${failure}`);
    }
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    terminal.tell(`sally: no lease of ${gateway}: ${error.message}`);
  }
}

/**
 * Where machines see the caller come from, and no lease of theirs there covers it: another network, or the other version
 * of IP, than the server sees.
 */
export function uncovered({ leases, seen }: LeaseList, machine: string): string[] {
  const networks = leases.filter((lease) => lease.machine === machine).map(({ network }) => network);
  return seen
    .filter((one) => one.machine === machine)
    .map(({ address }) => address)
    .filter((address) => !networks.some((network) => contains(network, address)));
}
