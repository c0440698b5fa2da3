/** `sally lease`: opens the firewall of a gateway or host for this machine's address, for a time. */
import { type LeaseDocument, leaseEnd, usualLeaseSeconds } from '../../api/leases.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { openLeases, ownLeases, uncovered, type Wanted, waitForAnswer } from '../leases.ts';
import { printTable } from '../print-table.ts';
import { callSignedIn } from '../signed-in.ts';
import { hostSuffix } from '../ssh-config-text.ts';
import { fromNow } from '../times.ts';

export interface LeaseOptions {
  readonly from?: string;
  readonly port?: number;
  readonly ttl?: number;
  /** false: whether it answers is not waited for. */
  readonly wait: boolean;
  readonly keep?: boolean;
  readonly json?: boolean;
}

export async function lease(context: SallyContext, where: string, options: LeaseOptions): Promise<ExitName> {
  const { terminal, now } = context;
  const { from: network, port, ttl: ttlSeconds } = options;
  const machine = where.replace(new RegExp(`\\.${hostSuffix}$`), '');
  const wanted: Wanted = { machine, network, port, ttlSeconds };
  const leases = await openLeases(context, wanted);
  if (options.json) terminal.print(JSON.stringify({ leases }, null, 2));
  for (const one of options.json ? [] : leases) {
    terminal.say(
      `${one.machine} is open at port ${one.port} for ${one.network}, until ${fromNow(one.expires_at, now())}.`,
    );
  }
  const failure = options.wait ? await failureOf(context, leases) : undefined;
  if (failure !== undefined) {
    terminal.tell(`sally: the lease is there, but ${failure}`);
    terminal.tell(
      'sally: perhaps the machine sees you come from another address than the server does: --from ADDRESS',
    );
  }
  if (options.keep) await keep(context, wanted);
  return failure === undefined ? 'done' : 'unreachable';
}

async function failureOf(
  context: SallyContext,
  leases: readonly LeaseDocument[],
): Promise<string | undefined> {
  const failures = await Promise.all(leases.map((one) => waitForAnswer(context, one)));
  // One that lets in is enough: ssh goes there.
  return failures.includes(undefined) ? undefined : failures[0];
}

/** Long before its end, so that a server that is away for a while ends nothing. */
const renewals = 3;
const longestPauseSeconds = 60;

/** Until it is interrupted. Where a machine sees this one come from elsewhere, that address gets a lease too. */
async function keep(context: SallyContext, wanted: Wanted): Promise<never> {
  const { terminal, debug } = context;
  const seconds = Math.min((wanted.ttlSeconds ?? usualLeaseSeconds) / renewals, longestPauseSeconds);
  terminal.tell('sally: kept open until this is interrupted (Ctrl-C).');
  for (;;) {
    await context.wait(seconds * 1_000);
    try {
      const leases = await openLeases(context, wanted);
      const all = await ownLeases(context);
      for (const { machine } of leases) {
        for (const network of uncovered(all, machine)) {
          await openLeases(context, { ...wanted, machine, network });
          terminal.tell(`sally: ${machine} sees you come from ${network}: opened for that too.`);
        }
      }
    } catch (error) {
      if (!(error instanceof SallyportError) || error.code !== 'unavailable') throw error;
      debug.say(`the lease could not be renewed: ${error.message}`);
    }
  }
}

export async function leaseListed(
  context: SallyContext,
  { json }: { readonly json?: boolean },
): Promise<ExitName> {
  const { terminal, now } = context;
  const { leases } = await ownLeases(context);
  if (json) terminal.print(JSON.stringify({ leases }, null, 2));
  else if (leases.length === 0) terminal.print('There is no lease.');
  else {
    const rows = leases.map((one) => [
      one.id,
      one.machine,
      String(one.port),
      one.network,
      one.account,
      fromNow(one.expires_at, now()),
    ]);
    printTable(context, ['ID', 'MACHINE', 'PORT', 'FOR', 'ACCOUNT', 'ENDS'], rows);
  }
  return 'done';
}

/** By its id; or all of a machine, or all. */
export async function leaseEnded(context: SallyContext, which: string | undefined): Promise<ExitName> {
  const { leases } = await ownLeases(context);
  const found = leases.filter(({ id, machine }) => which === undefined || id === which || machine === which);
  if (found.length === 0 && which !== undefined) {
    throw new SallyportError('not_found', 'There is no such lease. Those that are: sally lease list');
  }
  for (const { id, machine, network } of found) {
    await callSignedIn(context, { method: 'POST', path: `/v1/leases/${id}/end`, reply: leaseEnd });
    context.terminal.print(`${machine} is closed for ${network} again.`);
  }
  return 'done';
}
