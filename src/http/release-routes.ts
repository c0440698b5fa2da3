/** What `sally update-check` asks for: the signed description of the newest release, if the operator has put one here. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { AppParts } from './app-parts.ts';
import { parseInput } from './parse-input.ts';

const noQuery = z.strictObject({});

export function releaseRoutes(app: FastifyInstance, { readRelease }: Pick<AppParts, 'readRelease'>): void {
  app.get(
    '/v1/releases/sally',
    { config: { auth: 'none', purpose: 'the signed description of the newest sally' } },
    async (request, reply) => {
      parseInput(noQuery, request.query, 'query');
      if (!readRelease) {
        throw new SallyportError('not_found', 'This server says nothing about releases of sally.');
      }
      const text = await readRelease().catch((error: Error) => {
        throw new SallyportError('unavailable', 'The description of releases can not be read now.', {
          detail: error.message,
        });
      });
      return reply.type('text/plain; charset=utf-8').send(text);
    },
  );
}
