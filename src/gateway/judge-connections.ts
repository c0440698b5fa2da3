/** Which live connections must end, pure: asked after every change of state, and by the clock. */
import type { EndReason } from '../api/companions.ts';
import { isKeyRevoked, isRevoked, type ParsedKrl } from '../ssh/parse-krl.ts';
import { type Connection, connectionKey } from './connection-file.ts';
import { limitReached } from './connection-limits.ts';
import {
  accountOf,
  type Facts,
  hasLostAccess,
  type PermittedTarget,
  targetNamed,
  whyNotOn,
} from './decide-offer.ts';
import { isWithdrawn } from './permits.ts';
import { isRegistered } from './registered-keys.ts';

export interface Judgement {
  readonly connection: Connection;
  readonly reason: EndReason;
}

export interface JudgedBy {
  readonly facts: Facts;
  readonly krl: ParsedKrl;
  /** When connections last carried anything, by key, where that is known. */
  readonly activeAtSeconds: ReadonlyMap<string, number>;
}

type Check = (connection: Connection, by: JudgedBy) => EndReason | undefined;

/** Somebody has been put out. */
const revocations: readonly Check[] = [
  ({ offer }, { facts }) => (facts.endedSessions.has(offer.sessionId) ? 'session_ended' : undefined),
  ({ offer }, { krl }) => (isOfferRevoked(offer, krl) ? 'certificate_revoked' : undefined),
  ({ offer }, { facts }) => ((accountOf(offer, facts.state)?.disabled ?? true) ? 'account_gone' : undefined),
  ({ offer }, { facts }) => (isRegistered(offer, facts.state) ? undefined : 'session_ended'),
];

const putOut: readonly Check[] = [...revocations, losesAccess];

const allChecks: readonly Check[] = [
  ...revocations,
  losesItsWay,
  (connection, { facts }) => (isWithdrawn(connection, facts) ? 'access_denied' : undefined),
];

export function judgeConnections(connections: readonly Connection[], by: JudgedBy): Judgement[] {
  return judge(connections, allChecks, by);
}

/** Of connections that are gone: whose processes must go too. Limits are for those who are connected. */
export function judgeLeft(
  connections: readonly Connection[],
  by: Pick<JudgedBy, 'facts' | 'krl'>,
): Judgement[] {
  return judge(connections, putOut, { ...by, activeAtSeconds: new Map() });
}

/** The first that finds something is the reason. */
function judge(connections: readonly Connection[], checks: readonly Check[], by: JudgedBy): Judgement[] {
  return connections.flatMap((connection) => {
    for (const check of checks) {
      const reason = check(connection, by);
      if (reason) return { connection, reason };
    }
    return [];
  });
}

/** Those whose silence matters: they are allowed to a target that has an idle timeout. */
export function withIdleTimeout(connections: readonly Connection[], { state }: Facts): Connection[] {
  return connections.filter(({ permitted }) =>
    permitted.some(({ name }) => (targetNamed(name, state)?.idleTimeoutSeconds ?? null) !== null),
  );
}

/**
 * On a gateway every target that was opened to the connection must still be allowed, because nothing tells which of
 * them it uses. On a host one that shares the login is enough, as at the start. A connection without any only carries
 * the words of a refusal, or a menu.
 */
function losesItsWay(connection: Connection, by: JudgedBy): EndReason | undefined {
  const found = connection.permitted.map((target) => whyNotTo(target, connection, by));
  const isHost = by.facts.state.companion.kind === 'host';
  return isHost && found.includes(undefined) ? undefined : found.find((reason) => reason !== undefined);
}

/** At a host, which is where something is left: nothing that shares the login lets the person in any more. */
function losesAccess({ offer, permitted }: Connection, { facts }: JudgedBy): EndReason | undefined {
  const hasLostAll = permitted.every((target) => hasLostAccess(offer, target, facts));
  return permitted.length > 0 && hasLostAll ? 'access_denied' : undefined;
}

function whyNotTo(
  target: PermittedTarget,
  connection: Connection,
  { facts, activeAtSeconds }: JudgedBy,
): EndReason | undefined {
  const denied = whyNotOn(connection.offer, target, facts);
  const limits = targetNamed(target.name, facts.state);
  if (denied !== undefined || limits === undefined) return denied;
  const { startedAtSeconds } = connection;
  const times = {
    startedAtSeconds,
    activeAtSeconds: activeAtSeconds.get(connectionKey(connection)) ?? null,
  };
  return limitReached(limits, times, facts.nowSeconds);
}

/** What is no certificate has no serial: its session, account and access are all there is to it. */
function isOfferRevoked({ authority, serial, source }: Connection['offer'], krl: ParsedKrl): boolean {
  if (source !== 'certificate') return false;
  const caPublicKey = Buffer.from(authority, 'base64');
  return isKeyRevoked(krl, caPublicKey) || isRevoked(krl, caPublicKey, BigInt(serial));
}
