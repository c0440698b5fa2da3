/**
 * What companions are sent: each its own state, pushed when anything changed. A lost notification does no harm: the
 * version is compared every few seconds, and a state is whole, so the next one brings everything. All are made again now and
 * then, since a host certificate must be renewed before its end also where nothing else ever changes.
 */
import type { Acknowledgement, CompanionState } from '../api/companions.ts';
import type { CertificateAuthority } from '../ca/ca-keys.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { stateChannel } from '../database/notify.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { readStateVersion } from '../revocation/state-version.ts';
import { Acknowledgements, type CompanionProgress } from './acknowledgements.ts';
import { companionState, notEnrolled } from './companion-state.ts';
import { Publisher } from './publisher.ts';
import { type Enrolled, type Subscriber, type Subscription, Subscriptions } from './subscriptions.ts';

export interface FeedParts {
  readonly database: DatabaseHandle;
  readonly authority: CertificateAuthority;
  readonly publicUrl: URL;
  readonly clock: () => Date;
  /** How often the version is read in case a notification was lost. */
  readonly sweepMilliseconds?: number;
  /** How often every state is made again though nothing changed, on average: host certificates are renewed so. */
  readonly renewalMilliseconds?: number;
}

export interface Feed {
  /** @throws token_invalid if the companion is not enrolled any more */
  stateFor(companionId: string): Promise<CompanionState>;
  /**
   * Sends the present state, then every newer one.
   * @throws token_invalid if the companion is not enrolled any more, or another machine in its place
   */
  subscribe(machine: Enrolled, subscriber: Subscriber): Promise<Subscription>;
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
  let published = -1n;

  /** Whether the companion has its newest state, or is none any more. */
  async function send(companionId: string): Promise<boolean> {
    try {
      subscriptions.deliver(companionId, await companionState(parts, companionId));
      return true;
    } catch (error) {
      // Else the database or the signer is away: this one is sent again by the sweep, and the others go on.
      if (!isSallyportError(error) || !goneCodes.includes(error.code)) return false;
      subscriptions.end(companionId);
      return true;
    }
  }

  const publisher = new Publisher(async () => {
    const current = await readStateVersion(database.db).catch(() => undefined);
    const sent = await forEach(subscriptions.companionIds, buildsAtOnce, send);
    if (current && sent.every(Boolean)) published = current.version;
  });

  const acknowledgements = new Acknowledgements(database, clock);
  await acknowledgements.open();
  const listener = await database.listen(stateChannel, () => publisher.ask());
  const sweep = setInterval(async () => {
    const current = await readStateVersion(database.db).catch(() => undefined);
    if (current === undefined || current.version > published) publisher.ask();
  }, parts.sweepMilliseconds ?? sweepMilliseconds);
  sweep.unref();
  const renewal = repeat(() => publisher.ask(), parts.renewalMilliseconds ?? renewalMilliseconds);

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
      } catch (error) {
        subscription.close();
        throw error;
      }
      return subscription;
    },
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

async function forEach<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const queue = items.values();
  const results: R[] = [];
  const worker = async () => {
    for (const item of queue) results.push(await work(item));
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
