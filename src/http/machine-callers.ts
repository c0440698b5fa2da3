/**
 * Sessions of API tokens and CI jobs are there for SSH, and for what admins automate. What a person has to do, such as
 * making further tokens or changing who may sign in, is closed to them, whatever role they have.
 */
import type { FastifyRequest } from 'fastify';
import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { Role } from '../policy/facts.ts';
import { sessionEnded } from '../sessions/session.ts';

/** @returns the highest role that the session may use; null: whatever its account has @throws session_ended, forbidden */
export async function requireCallerKind(
  db: Database,
  { routeOptions: { config } }: FastifyRequest,
  sessionId: string,
): Promise<Role | null> {
  const session = await db
    .selectFrom('login_sessions')
    .select(['kind', 'role_limit'])
    .where('id', '=', sessionId)
    .executeTakeFirst();
  if (session === undefined) throw sessionEnded();
  const isMachine = session.kind === 'token' || session.kind === 'ci';
  const isForMachines = config.machines === true || (config.auth === 'admin' && !config.stepUp);
  if (!isMachine || isForMachines) return session.role_limit;
  throw new SallyportError(
    'forbidden',
    'API tokens and CI jobs may not do this; a person has to. Log in as one: sally login',
  );
}
