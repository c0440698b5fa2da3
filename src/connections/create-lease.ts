/** Opens a machine's firewall for an address, or keeps it open for longer; the machine's companion does it. */
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import { type LeaseMachine, leaseMachines } from './lease-machines.ts';
import { checkLeaseNetwork } from './lease-network.ts';

export interface NewLease {
  readonly sessionId: string;
  readonly account: string;
  readonly organizationId: string;
  readonly isAdmin: boolean;
  /** A machine's name, or a target's. */
  readonly machine: string;
  readonly network: string;
  /** undefined: the machine's own. */
  readonly port: number | undefined;
  readonly ttlSeconds: number;
}

/** Of one account at one machine: more are a mistake, or a way to fill a firewall. */
const mostLeases = 10;

/** @returns the ids of what was made or extended, one for each machine @throws not_found, access_denied, forbidden */
export async function createLease(tx: Tx, asked: NewLease, now: Date): Promise<string[]> {
  const network = checkLeaseNetwork(asked.network, asked);
  const { accountId, facts: session } = await lockLiveSession(tx, asked.sessionId, 'share', now);
  const caller = { accountId, organizationId: asked.organizationId, session };
  const machines = await leaseMachines(tx, caller, asked.machine, now);
  // Two leases of one account are made one after the other.
  await tx.selectFrom('accounts').select('id').where('id', '=', accountId).forNoKeyUpdate().execute();
  const ids: string[] = [];
  for (const machine of machines) {
    const port = portOf(machine, asked);
    const seconds = Math.min(asked.ttlSeconds, machine.longestSeconds);
    const until = Math.min(now.getTime() + seconds * 1000, session.expiresAtSeconds * 1000);
    const lease = { accountId, network, port, expiresAt: new Date(until) };
    ids.push(await extendOrMake(tx, asked, machine, lease, now));
  }
  await bumpStateVersion(tx, now, { krl: false });
  return ids;
}

/** Only where sshd listens: a lease is no way to whatever else the machine serves. */
function portOf({ name, port, ports }: LeaseMachine, asked: NewLease): number {
  const wanted = asked.port ?? port;
  if (asked.isAdmin || wanted === port || ports.includes(wanted)) return wanted;
  const known = [...new Set([port, ...ports])].join(', ');
  throw new SallyportError('forbidden', `${name} gives leases for its SSH ports only: ${known}.`);
}

interface Opening {
  readonly accountId: string;
  readonly network: string;
  readonly port: number;
  readonly expiresAt: Date;
}

/** Never shortened: two terminals may hold one lease. */
async function extendOrMake(
  tx: Tx,
  { sessionId, account, organizationId }: NewLease,
  machine: LeaseMachine,
  { accountId, network, port, expiresAt }: Opening,
  now: Date,
): Promise<string> {
  const live = await tx
    .selectFrom('leases')
    .select(['id', 'network', 'port', 'session_id', 'expires_at'])
    .where('companion_id', '=', machine.id)
    .where('account_id', '=', accountId)
    .where('ended_at', 'is', null)
    .where('expires_at', '>', now)
    .execute();
  const same = live.find(
    (lease) => lease.network === network && lease.port === port && lease.session_id === sessionId,
  );
  if (same === undefined && live.length >= mostLeases) {
    throw new SallyportError(
      'forbidden',
      `You have ${mostLeases} leases at ${machine.name}, the most there may be. End one: sally lease end`,
    );
  }
  const until = same === undefined || same.expires_at < expiresAt ? expiresAt : same.expires_at;
  const { id } =
    same === undefined
      ? await tx
          .insertInto('leases')
          .values({
            companion_id: machine.id,
            account_id: accountId,
            session_id: sessionId,
            network,
            port,
            created_at: now,
            expires_at: until,
            ended_at: null,
          })
          .returning('id')
          .executeTakeFirstOrThrow()
      : await tx
          .updateTable('leases')
          .set({ expires_at: until })
          .where('id', '=', same.id)
          .returning('id')
          .executeTakeFirstOrThrow();
  await recordEvent(tx, {
    event: same === undefined ? 'lease.created' : 'lease.extended',
    organizationId,
    accountId,
    sessionId,
    facts: {
      lease: id,
      companion: machine.name,
      account,
      network,
      port,
      expires_at: Math.floor(until.getTime() / 1000),
      by: account,
    },
  });
  return id;
}
