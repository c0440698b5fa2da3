/** For load balancers: alive, and ready to serve. */
import type { FastifyInstance } from 'fastify';
import { SallyportError } from '../errors/sallyport-error.ts';
import { readStateVersion } from '../revocation/state-version.ts';
import type { AppParts } from './app-parts.ts';

export function healthRoutes(
  app: FastifyInstance,
  { database, version }: Pick<AppParts, 'database' | 'version'>,
): void {
  app.get('/healthz', { config: { auth: 'none', purpose: 'is the process alive' } }, async () => ({
    status: 'ok',
    version,
  }));

  app.get('/readyz', { config: { auth: 'none', purpose: 'can it serve: asks the database' } }, async () => {
    try {
      await readStateVersion(database.db);
    } catch (cause) {
      throw new SallyportError('unavailable', 'The server is up, but its database does not answer.', {
        cause,
      });
    }
    return { status: 'ready' };
  });
}
