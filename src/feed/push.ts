/** Sends the newest states to those who are connected, in groups: first to machines that have somebody to let go. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from '../database/database.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import type { MadeState } from './companion-state.ts';
import type { Subscriptions } from './subscriptions.ts';
import type { Unsent } from './unsent.ts';

export interface PushParts {
  readonly make: (companionIds: readonly string[]) => Promise<ReadonlyMap<string, MadeState>>;
  readonly subscriptions: Subscriptions;
  readonly unsent: Unsent;
}

/** Small enough that other requests get their turn between two groups. */
const groupSize = 125;
/** So few are not worth the question who is first. */
const fewMachines = 50;
/** While one waits for the database, another is written. */
const groupsAtOnce = 2;

/** Never throws: who could not be sent their state is among the unsent. */
export async function pushTo(parts: PushParts, companionIds: readonly string[]): Promise<void> {
  const groups = groupsOf(companionIds).values();
  const worker = async () => {
    for (const group of groups) {
      await pushGroup(parts, group);
      await nextTurn();
    }
  };
  await Promise.all(Array.from({ length: groupsAtOnce }, worker));
}

async function pushGroup(
  { make, subscriptions, unsent }: PushParts,
  group: readonly string[],
): Promise<void> {
  const made = await make(group).catch((error: unknown) => error);
  for (const id of group) {
    const one: MadeState = made instanceof Map ? (made.get(id) ?? { error: made }) : { error: made };
    if ('state' in one) {
      subscriptions.deliver(id, one);
      // Its revocation list follows when the CA key can sign again.
      if (one.behind !== undefined) unsent.add(id, one.behind);
      else unsent.delete(id);
    } else if (isSallyportError(one.error) && goneCodes.includes(one.error.code)) {
      subscriptions.end(id);
      unsent.delete(id);
    } else {
      // The database or the signer is away: this one is sent again by the sweep, and the others go on.
      unsent.add(id, one.error);
    }
  }
}

/** The companion itself is no more, in contrast to an outage. */
const goneCodes: readonly string[] = ['token_invalid', 'enrolment_refused', 'not_found'];

function groupsOf(ids: readonly string[]): string[][] {
  const groups: string[][] = [];
  for (let from = 0; from < ids.length; from += groupSize) groups.push(ids.slice(from, from + groupSize));
  return groups;
}

export interface Order {
  /** Machines with a live connection of a session that has ended. */
  readonly urgent: readonly string[];
  /** Those that only have to remember it. */
  readonly others: readonly string[];
}

/** In which order they should hear of what happened after `version`. */
export async function orderOf(
  db: Database,
  companionIds: readonly string[],
  version: bigint,
): Promise<Order> {
  if (companionIds.length <= fewMachines) return { urgent: companionIds, others: [] };
  const rows = await db
    .selectFrom('login_sessions')
    .innerJoin('connections', (join) =>
      join
        .on((on) => on('connections.session_id', '=', on.cast<string>('login_sessions.id', 'text')))
        .on('connections.ended_at', 'is', null),
    )
    .select('connections.companion_id')
    .distinct()
    .where('login_sessions.ended_version', '>', String(version))
    .execute();
  const isUrgent = new Set(rows.map(({ companion_id }) => companion_id));
  return {
    urgent: companionIds.filter((id) => isUrgent.has(id)),
    others: companionIds.filter((id) => !isUrgent.has(id)),
  };
}
