/** Which live connections must end, pure: asked after every change of state. */
import { isKeyRevoked, isRevoked, type ParsedKrl } from '../ssh/parse-krl.ts';
import type { Connection } from './connection-file.ts';
import { accountOf, type Facts, mayGoOn } from './decide-offer.ts';

export type EndReason = 'session_ended' | 'certificate_revoked' | 'account_gone' | 'access_denied';

export interface Judgement {
  readonly connection: Connection;
  readonly reason: EndReason;
}

type Check = (connection: Connection, facts: Facts, krl: ParsedKrl) => boolean;

/** The first that holds is the reason. */
const checks: readonly (readonly [EndReason, Check])[] = [
  ['session_ended', ({ offer }, { endedSessions }) => endedSessions.has(offer.sessionId)],
  ['certificate_revoked', ({ offer }, _, krl) => isOfferRevoked(offer, krl)],
  ['account_gone', ({ offer }, { state }) => accountOf(offer, state)?.disabled ?? true],
  ['access_denied', (connection, facts) => !keepsItsWay(connection, facts)],
];

export function judgeConnections(
  connections: readonly Connection[],
  facts: Facts,
  krl: ParsedKrl,
): Judgement[] {
  return connections.flatMap((connection) => {
    const found = checks.find(([, mustEnd]) => mustEnd(connection, facts, krl));
    return found ? { connection, reason: found[0] } : [];
  });
}

/**
 * On a gateway every target that was opened to the connection must still be allowed, because nothing tells which of
 * them it uses. On a host one that shares the login is enough, as at the start. A connection without any only carries
 * the words of a refusal.
 */
function keepsItsWay({ offer, permitted }: Connection, facts: Facts): boolean {
  if (permitted.length === 0) return true;
  const goesOn = permitted.map((target) => mayGoOn(offer, target, facts));
  return facts.state.companion.kind === 'host' ? goesOn.some(Boolean) : goesOn.every(Boolean);
}

function isOfferRevoked({ authority, serial }: Connection['offer'], krl: ParsedKrl): boolean {
  const caPublicKey = Buffer.from(authority, 'base64');
  return isKeyRevoked(krl, caPublicKey) || isRevoked(krl, caPublicKey, BigInt(serial));
}
