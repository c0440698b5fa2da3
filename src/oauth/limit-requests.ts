/**
 * Anybody may push an authorization request, and each leaves rows behind until it is over. So there is a limit for each
 * address, high enough for a morning behind one address of a large office.
 */
import type Provider from 'oidc-provider';
import type { Database } from '../database/database.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { allowAttempt, type Limit } from '../limits/count-attempt.ts';
import { guesserOf } from '../limits/guesser-of.ts';
import { pushedRequestPath } from './paths.ts';

const pushed: Limit = { bucket: 'pushed-request', allowed: 1200, windowSeconds: 60 };

/** Before anything of the request is read. */
export function withLimitedRequests(db: Database, clock: () => Date): Parameters<Provider['use']>[0] {
  return async (ctx, next) => {
    if (ctx.path !== pushedRequestPath || ctx.method !== 'POST') return await next();
    try {
      await allowAttempt(db, pushed, guesserOf(ctx.ip), clock());
    } catch (error) {
      if (!isSallyportError(error) || error.code !== 'too_many_attempts') throw error;
      ctx.status = error.status;
      ctx.set('Retry-After', String(error.members['retry_after']));
      ctx.set('Cache-Control', 'no-store');
      ctx.body = { error: 'temporarily_unavailable', error_description: error.message };
      return;
    }
    await next();
  };
}
