/**
 * The revocation list for hosts without a companion, which fetch it by a timer. The signature is over krlMessage(version,
 * list), and the version stands in the list itself, so that a shell can check both. Who has them from a cache, or an old
 * one from anywhere, finds out by the version: nothing here depends on what HTTP says of them.
 */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { AppParts } from './app-parts.ts';
import { parseInput } from './parse-input.ts';

const noQuery = z.strictObject({});

export function krlRoutes(app: FastifyInstance, { authority }: Pick<AppParts, 'authority'>): void {
  app.get(
    '/ssh/krl',
    { config: { auth: 'none', purpose: 'the revocation list, as RevokedKeys wants it' } },
    async (request, reply) => {
      parseInput(noQuery, request.query, 'query');
      const { data } = await authority.currentKrl();
      return reply.type('application/octet-stream').send(data);
    },
  );

  app.get(
    '/ssh/krl.sig',
    {
      config: { auth: 'none', purpose: 'signatures of the revocation list, one by each CA key that vouches' },
    },
    async (request, reply) => {
      parseInput(noQuery, request.query, 'query');
      const { signature, signatures } = await authority.currentKrl();
      return reply
        .type('text/plain; charset=utf-8')
        .send([signature, ...signatures].map((one) => `${one.trimEnd()}\n`).join(''));
    },
  );

  app.get(
    '/ssh/canaries',
    { config: { auth: 'none', purpose: 'certificates that every good revocation list revokes' } },
    async (request, reply) => {
      parseInput(noQuery, request.query, 'query');
      const keys = await authority.userAuthorities();
      return reply
        .type('text/plain; charset=utf-8')
        .send(keys.map(({ canaryLine }) => `${canaryLine}\n`).join(''));
    },
  );
}
