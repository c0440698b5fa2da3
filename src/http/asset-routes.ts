/** Stylesheet and script of the pages. Their paths hold their hash, so browsers keep them. */
import type { FastifyInstance } from 'fastify';
import { assets } from '../pages/assets.ts';

export function assetRoutes(app: FastifyInstance): void {
  for (const { path, contentType, text } of assets) {
    app.get(path, { config: { auth: 'none', purpose: 'a file of the pages' } }, async (_request, reply) =>
      reply.header('cache-control', 'public, max-age=31536000, immutable').type(contentType).send(text),
    );
  }
}
