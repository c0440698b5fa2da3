/** Identity providers of the organization, for its admins. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  type IdentityProviderDocument,
  identityProviderChange,
  newIdentityProvider,
} from '../api/identity-providers.ts';
import { inTransaction } from '../database/transaction.ts';
import { changeProvider, createProvider, type Manager, removeProvider } from '../login/manage-providers.ts';
import { listProviders, providerDocument } from '../login/provider-documents.ts';
import type { AppParts } from './app-parts.ts';
import { adminOf } from './callers.ts';
import { parseInput, parseNoBody } from './parse-input.ts';
import { testProvider } from './test-provider.ts';

const noQuery = z.strictObject({});

export function identityProviderRoutes(
  app: FastifyInstance,
  parts: Pick<AppParts, 'database' | 'sealer' | 'configuredProviders' | 'providers' | 'publicUrl' | 'clock'>,
): void {
  const { database, sealer, configuredProviders: configured, publicUrl, clock } = parts;
  const managing = { sealer, configured };

  app.get(
    '/v1/identity-providers',
    { config: { auth: 'admin', purpose: 'identity providers of the organization' } },
    async (request): Promise<{ identity_providers: IdentityProviderDocument[] }> => {
      parseInput(noQuery, request.query, 'query');
      return {
        identity_providers: await listProviders(database.db, configured, adminOf(request), publicUrl),
      };
    },
  );

  app.post(
    '/v1/identity-providers',
    { config: { auth: 'admin', stepUp: true, purpose: 'sets up an identity provider for the organization' } },
    async (request, reply) => {
      const {
        slug,
        settings,
        client_secret: clientSecret,
        enabled,
      } = parseInput(newIdentityProvider, request.body, 'body');
      const created = await inTransaction(database.db, (tx) =>
        createProvider(tx, managing, managerOf(request), { slug, settings, clientSecret, enabled }, clock()),
      );
      return reply.code(201).send(providerDocument(created, publicUrl));
    },
  );

  app.post(
    '/v1/identity-providers/:slug',
    { config: { auth: 'admin', stepUp: true, purpose: 'changes an identity provider' } },
    async (request): Promise<IdentityProviderDocument> => {
      const {
        client_secret: clientSecret,
        enabled,
        settings,
        version,
      } = parseInput(identityProviderChange, request.body, 'body');
      const change = {
        slug: slugOf(request),
        version,
        ...(settings === undefined ? {} : { settings }),
        ...(clientSecret === undefined ? {} : { clientSecret }),
        ...(enabled === undefined ? {} : { enabled }),
      };
      const changed = await inTransaction(database.db, (tx) =>
        changeProvider(tx, managing, managerOf(request), change),
      );
      return providerDocument(changed, publicUrl);
    },
  );

  app.post(
    '/v1/identity-providers/:slug/remove',
    { config: { auth: 'admin', stepUp: true, purpose: 'removes an identity provider for good' } },
    async (request, reply) => {
      parseNoBody(request.body);
      await inTransaction(database.db, (tx) =>
        removeProvider(tx, managerOf(request), slugOf(request), clock()),
      );
      return reply.code(204).send();
    },
  );

  app.post(
    '/v1/identity-providers/:slug/test',
    { config: { auth: 'admin', purpose: 'asks an identity provider for its metadata now' } },
    async (request): Promise<{ ok: boolean; message: string }> => {
      parseNoBody(request.body);
      return await testProvider(parts, adminOf(request), slugOf(request));
    },
  );
}

function managerOf(request: FastifyRequest): Manager {
  const { organizationId, organization, account } = adminOf(request);
  return { organizationId, organization, by: account };
}

function slugOf(request: FastifyRequest): string {
  const { slug } = request.params as { slug: string };
  return slug;
}
