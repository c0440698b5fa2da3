/**
 * What companions are sent: each its own state, pushed when anything changed. A lost notification does no harm: the
 * version is compared every few seconds, and a state is whole, so the next one brings everything. All are made again now and
 * then, since a host certificate must be renewed before its end also where nothing else ever changes.
 */
import type { Acknowledgement, CompanionState } from '../api/companions.ts';
import type { CertificateAuthority } from '../ca/certificate-authority.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { stateChannel } from '../database/notify.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { notEnrolled } from '../inventory/companion.ts';
import { readStateVersion, type StateVersion } from '../revocation/state-version.ts';
import { Acknowledgements, type CompanionProgress } from './acknowledgements.ts';
import { companionState } from './companion-state.ts';
import { Publisher } from './publisher.ts';
import { type Enrolled, type Subscriber, type Subscription, Subscriptions } from './subscriptions.ts';
import { Unsent } from './unsent.ts';

export interface FeedParts {
  readonly database: DatabaseHandle;
  readonly authority: CertificateAuthority;
  readonly publicUrl: URL;
  readonly clock: () => Date;
  /** Called when a companion's state can't be made, once for every new reason; it is tried again by itself. */
  readonly onError: (error: unknown, companionId: string) => void;
  /** How often the version is read in case a notification was lost. */
  readonly sweepMilliseconds?: number;
  /** How often every state is made again though nothing changed, on average: host certificates are renewed so. */
  readonly renewalMilliseconds?: number;
}

export interface Feed {
  /** @throws token_invalid if the companion is not enrolled any more; recovery_needed */
  stateFor(companionId: string): Promise<CompanionState>;
  /**
   * Sends the present state, then every newer one.
   * @throws token_invalid if the companion is not enrolled any more, or another machine in its place; recovery_needed
   */
  subscribe(machine: Enrolled, subscriber: Subscriber): Promise<Subscription>;
  /** Whether what a machine has installed is of this database's history. @throws recovery_needed */
  requireKnown(companionId: string, installed: StateVersion): Promise<void>;
  acknowledge(companionId: string, acknowledgement: Acknowledgement): Promise<void>;
  /** How far the organization's enrolled companions are, once all have `version` or the time is over. */
  waitForAcknowledgements(
    organizationId: string,
    version: bigint,
    timeoutMilliseconds: number,
  ): Promise<CompanionProgress[]>;
  /** Ends every subscription. */
  close(): Promise<void>;
}

const sweepMilliseconds = 5_000;
/** Much less than the half of a host certificate's life in which it is renewed. */
const renewalMilliseconds = 3_600_000;
/** Each build takes a connection of the pool for a moment. */
const buildsAtOnce = 4;

export async function createFeed(parts: FeedParts): Promise<Feed> {
  const { database, clock } = parts;
  const subscriptions = new Subscriptions();
  const unsent = new Unsent(parts.onError);
  let published = -1n;
  let everybodyIsDue = false;

  async function send(companionId: string): Promise<void> {
    try {
      const made = await companionState(parts, companionId);
      subscriptions.deliver(companionId, made);
      // Its revocation list follows when the CA key can sign again.
      if (made.behind !== undefined) unsent.add(companionId, made.behind);
      else unsent.delete(companionId);
    } catch (error) {
      // Else the database or the signer is away: this one is sent again by the sweep, and the others go on.
      if (!isSallyportError(error) || !goneCodes.includes(error.code)) return unsent.add(companionId, error);
      subscriptions.end(companionId);
      unsent.delete(companionId);
    }
  }

  const publisher = new Publisher(async () => {
    const connected = subscriptions.companionIds;
    unsent.keepOnly(connected);
    if (!everybodyIsDue) return await forEach(unsent.companionIds, buildsAtOnce, send);
    everybodyIsDue = false;
    const current = await readStateVersion(database.db).catch(() => undefined);
    await forEach(connected, buildsAtOnce, send);
    if (current) published = current.version;
  });
  const publishToEverybody = (): void => {
    everybodyIsDue = true;
    publisher.ask();
  };

  const acknowledgements = new Acknowledgements(database, clock);
  await acknowledgements.open();
  const listener = await database.listen(stateChannel, publishToEverybody);
  const sweep = setInterval(async () => {
    const current = await readStateVersion(database.db).catch(() => undefined);
    // Without a database nothing can be made, and who has no newest state is still known when it is back.
    if (current === undefined) return;
    if (current.version > published) publishToEverybody();
    else if (unsent.companionIds.length > 0) publisher.ask();
  }, parts.sweepMilliseconds ?? sweepMilliseconds);
  sweep.unref();
  const renewal = repeat(publishToEverybody, parts.renewalMilliseconds ?? renewalMilliseconds);

  return {
    stateFor: async (companionId) => (await companionState(parts, companionId)).state,
    async subscribe(machine, subscriber) {
      const { companionId, enrolledAt } = machine;
      // Listed before its first state is read, so no change is missed between the two.
      const subscription = subscriptions.add(machine, subscriber);
      try {
        const first = await companionState(parts, companionId);
        if (first.enrolledAt.getTime() !== enrolledAt.getTime()) throw notEnrolled();
        subscriptions.deliver(companionId, first);
        if (first.behind !== undefined) unsent.add(companionId, first.behind);
      } catch (error) {
        subscription.close();
        throw error;
      }
      return subscription;
    },
    requireKnown: (companionId, installed) => acknowledgements.requireKnown(companionId, installed),
    acknowledge: (companionId, acknowledgement) => acknowledgements.record(companionId, acknowledgement),
    waitForAcknowledgements: (organizationId, version, timeoutMilliseconds) =>
      acknowledgements.wait(organizationId, version, timeoutMilliseconds),
    async close() {
      clearInterval(sweep);
      renewal.stop();
      subscriptions.end();
      await listener.close();
      await acknowledgements.close();
      await publisher.idle();
    },
  };
}

/** Pauses of half to one and a half times `milliseconds`, so that replicas don't do it at the same moment for ever. */
function repeat(work: () => void, milliseconds: number): { stop(): void } {
  let timer: NodeJS.Timeout;
  const plan = (): void => {
    timer = setTimeout(
      () => {
        work();
        plan();
      },
      milliseconds * (0.5 + Math.random()),
    ).unref();
  };
  plan();
  return { stop: () => clearTimeout(timer) };
}

/** The companion itself is no more, in contrast to an outage. */
const goneCodes: readonly string[] = ['token_invalid', 'enrolment_refused', 'not_found'];

async function forEach<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
