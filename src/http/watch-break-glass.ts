/** Whatever an admin in an emergency does is recorded and raises an alarm. */
import type { FastifyInstance } from 'fastify';
import { recordEvent } from '../audit/record-event.ts';
import { inTransaction } from '../database/transaction.ts';
import { breakGlassReason } from '../inventory/break-glass.ts';
import { useOnce } from '../limits/use-once.ts';
import type { AppParts } from './app-parts.ts';
import type { Caller } from './callers.ts';

const readingEveryMilliseconds = 60_000;

/** Call it after authenticateRequests(): it looks at who was found. */
export function watchBreakGlass(
  app: FastifyInstance,
  { database, clock }: Pick<AppParts, 'database' | 'clock'>,
): void {
  app.addHook('onRequest', async (request) => {
    const { caller } = request;
    if (caller === null || !isAdmin(caller)) return;
    const now = clock();
    const { accountId, account, organizationId, sessionId } = caller;
    const reason = await breakGlassReason(database.db, accountId, now);
    if (reason === undefined) return;
    const facts = { account, method: request.method, route: request.routeOptions.url ?? '' };
    const isNews = await inTransaction(database.db, async (tx) => {
      if (request.method === 'GET' && !(await isFirstLook(tx, accountId, now))) return false;
      await recordEvent(tx, { event: 'break_glass.used', organizationId, accountId, sessionId, facts });
      return true;
    });
    if (isNews)
      request.log.fatal({ alarm: 'break_glass', ...facts, reason }, 'an emergency admin is at work');
  });
}

type AdminCaller = Extract<Caller, { kind: 'admin' | 'browser' }>;

function isAdmin(caller: Caller): caller is AdminCaller {
  return (caller.kind === 'admin' || caller.kind === 'browser') && caller.role === 'admin';
}

/** Pages read themselves anew every few seconds. */
async function isFirstLook(
  db: Parameters<typeof useOnce>[0],
  accountId: string,
  now: Date,
): Promise<boolean> {
  const minute = Math.floor(now.getTime() / readingEveryMilliseconds);
  const until = new Date((minute + 2) * readingEveryMilliseconds);
  return await useOnce(db, { scope: 'break glass look', identifier: `${accountId} ${minute}` }, until);
}
