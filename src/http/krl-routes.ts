/**
 * The revocation list for hosts without a companion, which fetch it by a timer. The signature is over krlMessage(version,
 * list), and the version stands in the list itself, so that a shell can check both. Who has them from a cache, or an old
 * one from anywhere, finds out by the version: nothing here depends on what HTTP says of them.
 */
import type { FastifyInstance } from 'fastify';
import type { AppParts } from './app-parts.ts';

export function krlRoutes(app: FastifyInstance, { authority }: Pick<AppParts, 'authority'>): void {
  app.get(
    '/ssh/krl',
    { config: { auth: 'none', purpose: 'the revocation list, as RevokedKeys wants it' } },
    async (_request, reply) => {
      const { data } = await authority.currentKrl();
      return reply.type('application/octet-stream').send(data);
    },
  );

  app.get(
    '/ssh/krl.sig',
    {
      config: { auth: 'none', purpose: 'signatures of the revocation list, one by each CA key that vouches' },
    },
    async (_request, reply) => {
      const { signature, signatures } = await authority.currentKrl();
      return reply
        .type('text/plain; charset=utf-8')
        .send([signature, ...signatures].map((one) => `${one.trimEnd()}\n`).join(''));
    },
  );

  app.get(
    '/ssh/canaries',
    { config: { auth: 'none', purpose: 'certificates that every good revocation list revokes' } },
    async (_request, reply) => {
      const keys = await authority.userAuthorities();
      return reply
        .type('text/plain; charset=utf-8')
        .send(keys.map(({ canaryLine }) => `${canaryLine}\n`).join(''));
    },
  );
}
