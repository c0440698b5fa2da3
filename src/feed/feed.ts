/**
 * What companions are sent: each its own state, pushed when anything changed. A lost notification does no harm: the
 * version is compared every few seconds, and a state is whole, so the next one brings everything. All are made again now and
 * then, since a host certificate must be renewed before its end also where nothing else ever changes.
 */
import type { Acknowledgement, CompanionState } from '../api/companions.ts';
import type { CertificateAuthority } from '../ca/certificate-authority.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { comeBackLater, createGather } from '../database/gather.ts';
import { stateChannel } from '../database/notify.ts';
import { notEnrolled } from '../inventory/companion.ts';
import { readStateVersion, type StateVersion } from '../revocation/state-version.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { StateMaker, type StateOfEnrolment } from './companion-state.ts';
import { Contacts } from './contacts.ts';
import type { CompanionProgress } from './progress.ts';
import { Publisher } from './publisher.ts';
import { orderOf, pushTo } from './push.ts';
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
  /** Open at the same time on this server; who comes then is asked to come back later. */
  readonly mostSubscriptions?: number;
  /** A machine's own revocation list is over its budget, or within it again (null). */
  readonly onKrlExcess?: (companion: string, excessBytes: number | null) => void;
  /** How often every state is made again though nothing changed, on average: host certificates are renewed so. */
  readonly renewalMilliseconds?: number;
}

export interface Feed {
  /** @throws token_invalid if the companion is not enrolled any more; recovery_needed */
  stateFor(companionId: string): Promise<CompanionState>;
  /**
   * Sends the present state, then every newer one.
   * @throws token_invalid if the companion is not enrolled any more, or another machine in its place; recovery_needed;
   * unavailable, with the seconds to wait, if too many are here
   */
  subscribe(machine: Enrolled, subscriber: Subscriber): Promise<Subscription>;
  /** How many there are on this server. */
  readonly subscriptions: number;
  /** A machine is there still; written down in a moment. */
  heardOf(companionId: string): void;
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
/** Who is answered together when many come back at once, and how many may wait for their turn. */
const firstStates = { largest: 50, mostWaiting: 2_000 };
const mostSubscriptions = 15_000;

export async function createFeed(parts: FeedParts): Promise<Feed> {
  const { database, clock } = parts;
  const subscriptions = new Subscriptions();
  const unsent = new Unsent(parts.onError);
  const maker = new StateMaker(parts);
  const contacts = new Contacts(database.db, clock);
  const make = (companionIds: readonly string[]) => maker.make(companionIds);
  const gathered = createGather({ read: make, ...firstStates });
  let published = -1n;
  let everybodyIsDue = false;

  async function stateOf(companionId: string): Promise<StateOfEnrolment> {
    const made = await gathered(companionId);
    if ('error' in made) throw made.error;
    return made;
  }

  const publisher = new Publisher(async () => {
    const connected = subscriptions.companionIds;
    unsent.keepOnly(connected);
    const push = { make, subscriptions, unsent };
    if (!everybodyIsDue) return await pushTo(push, unsent.companionIds);
    everybodyIsDue = false;
    const current = await readStateVersion(database.db).catch(() => undefined);
    const order = await orderOf(database.db, connected, published).catch(() => undefined);
    await pushTo(push, order?.urgent ?? []);
    await pushTo(push, order?.others ?? connected);
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
    stateFor: async (companionId) => (await stateOf(companionId)).state,
    async subscribe(machine, subscriber) {
      const { companionId, enrolledAt } = machine;
      if (subscriptions.count >= (parts.mostSubscriptions ?? mostSubscriptions)) throw comeBackLater();
      // Listed before its first state is read, so no change is missed between the two.
      const subscription = subscriptions.add(machine, subscriber);
      try {
        const first = await stateOf(companionId);
        if (first.enrolledAt.getTime() !== enrolledAt.getTime()) throw notEnrolled();
        subscriptions.deliver(companionId, first);
        if (first.behind !== undefined) unsent.add(companionId, first.behind);
      } catch (error) {
        subscription.close();
        throw error;
      }
      contacts.note(companionId);
      return subscription;
    },
    get subscriptions() {
      return subscriptions.count;
    },
    heardOf: (companionId) => contacts.note(companionId),
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
      await contacts.close();
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
