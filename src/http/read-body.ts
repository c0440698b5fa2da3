/** Reads bodies: JSON only, in the strict reading. Scopes that take other bodies say so themselves. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { SallyportError } from '../errors/sallyport-error.ts';
import { parseStrictJson } from './strict-json.ts';

export const largestBodyBytes = 64 * 1024;

export function readJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) => {
      const charset = /charset\s*=\s*"?([^";\s]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
      if (charset !== undefined && charset.toLowerCase() !== 'utf-8') {
        throw new SallyportError(
          'request_malformed',
          'JSON is UTF-8 (RFC 8259); send it without another charset.',
        );
      }
      return parseStrictJson(body);
    },
  );
}
