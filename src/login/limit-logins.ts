/**
 * What anybody can cause who has no account: a login begun is a row until its time is over, one that was refused is a row
 * of the audit log for ever. Counted for each address, high enough for a morning behind one address of a large office.
 */
import type { FastifyRequest } from 'fastify';
import { allowAttempt, countAttempt, type Limit } from '../limits/count-attempt.ts';
import { guesserOf } from '../limits/guesser-of.ts';
import type { LoginFlowParts } from './login-purpose.ts';

type Parts = Pick<LoginFlowParts, 'database' | 'clock'>;

const begun: Limit = { bucket: 'login-begun', allowed: 1_200, windowSeconds: 60 };
const refused: Limit = { bucket: 'login-refused', allowed: 60, windowSeconds: 300 };

/** @throws too_many_attempts */
export async function allowBeginning({ database, clock }: Parts, { ip }: FastifyRequest): Promise<void> {
  await allowAttempt(database.db, begun, guesserOf(ip), clock());
}

/** Whether one more refused login of this address goes on record. All of them are in the server's own log. */
export async function isWorthRecording({ database, clock }: Parts, { ip }: FastifyRequest): Promise<boolean> {
  return (await countAttempt(database.db, refused, guesserOf(ip), clock())).count <= refused.allowed;
}
