/** What strangers may know, so that they can tell our gateways and CAs from others': fingerprints and public keys. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { SshInfo } from '../api/ssh-info.ts';
import { sshPage } from '../pages/ssh-page.ts';
import type { AppParts } from './app-parts.ts';
import { parseInput } from './parse-input.ts';
import { sendPage } from './security-headers.ts';
import { sshInfo } from './ssh-info.ts';

const noQuery = z.strictObject({});

export function sshInfoRoutes(
  app: FastifyInstance,
  { database, authority, publicUrl }: Pick<AppParts, 'database' | 'authority' | 'publicUrl'>,
): void {
  for (const path of ['/ssh/info', '/v1/ssh/info']) {
    app.get(
      path,
      { config: { auth: 'none', purpose: 'fingerprints of gateways and CA keys' } },
      async (request): Promise<SshInfo> => {
        parseInput(noQuery, request.query, 'query');
        return await sshInfo(database.db, authority);
      },
    );
  }

  app.get(
    '/ssh',
    { config: { auth: 'none', purpose: 'page: fingerprints of gateways and CA keys' } },
    async (request, reply) => {
      parseInput(noQuery, request.query, 'query');
      const info = await sshInfo(database.db, authority);
      return sendPage(reply, sshPage({ info, publicUrl: publicUrl.origin }));
    },
  );
}
