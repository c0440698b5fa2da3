/** API tokens: everybody's own, and those of machine accounts for admins. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  type ApiTokenDocument,
  type ApiTokenList,
  apiTokenRequest,
  type CredentialRevocation,
  type NewApiToken,
} from '../api/api-tokens.ts';
import { type ApiToken, listApiTokens, type TokenScope } from '../credentials/api-token-store.ts';
import { type Creator, createApiToken } from '../credentials/create-api-token.ts';
import { type RevokedCredential, revokeApiToken } from '../credentials/revoke-api-token.ts';
import { inSnapshot, inTransaction } from '../database/transaction.ts';
import type { AppParts } from './app-parts.ts';
import { type Membership, personOf } from './callers.ts';
import { membershipOf } from './membership.ts';
import { parseId, parseInput, parseNoBody } from './parse-input.ts';

const noQuery = z.strictObject({});

type Parts = Pick<AppParts, 'database' | 'clock'>;

export function tokenRoutes(app: FastifyInstance, parts: Parts): void {
  const { database, clock } = parts;

  /** Whose tokens the caller sees and revokes. */
  async function callerOf(request: FastifyRequest) {
    const { accountId, roleLimit } = personOf(request);
    const membership = await inSnapshot(database.db, (tx) => membershipOf(tx, accountId, clock(), roleLimit));
    return { accountId, ...membership };
  }

  app.get(
    '/v1/api-tokens',
    { config: { auth: 'person', purpose: 'one’s own API tokens, for admins all of the organization' } },
    async (request): Promise<ApiTokenList> => {
      parseInput(noQuery, request.query, 'query');
      const tokens = await listApiTokens(database.db, tokenScope(await callerOf(request)), clock());
      return { api_tokens: tokens.map(apiTokenDocumentOf) };
    },
  );

  app.post(
    '/v1/api-tokens',
    {
      config: {
        auth: 'person',
        stepUp: true,
        purpose: 'an API token, which the reply holds and nothing else ever does',
      },
    },
    async (request, reply) => {
      const asked = parseInput(apiTokenRequest, request.body, 'body');
      const made = await makeApiToken(parts, await callerOf(request), asked);
      return reply.code(201).send(made);
    },
  );

  app.post(
    '/v1/api-tokens/:id/revoke',
    { config: { auth: 'person', purpose: 'ends an API token with its sessions and their certificates' } },
    async (request): Promise<CredentialRevocation> => {
      parseNoBody(request.body);
      const id = parseId((request.params as { id?: unknown }).id, 'API token');
      const caller = await callerOf(request);
      const asked = { id, within: tokenScope(caller), by: caller.account };
      return revocationOf(id, await inTransaction(database.db, (tx) => revokeApiToken(tx, asked, clock())));
    },
  );
}

/** @throws forbidden, not_found, name_taken, request_malformed */
export async function makeApiToken(
  { database, clock }: Parts,
  creator: Creator,
  asked: z.output<typeof apiTokenRequest>,
): Promise<NewApiToken> {
  const now = clock();
  const { text, token } = await inTransaction(database.db, (tx) =>
    createApiToken(
      tx,
      {
        creator,
        ...(asked.account === undefined ? {} : { owner: asked.account }),
        name: asked.name,
        roleLimit: asked.role_limit,
        sourceRanges: asked.source_ranges,
        expiresAt: new Date(now.getTime() + asked.expires_in_seconds * 1000),
      },
      now,
    ),
  );
  return { token: text, api_token: apiTokenDocumentOf(token) };
}

export function tokenScope({
  accountId,
  organizationId,
  role,
}: Pick<Membership, 'organizationId' | 'role'> & { readonly accountId: string }): TokenScope {
  return role === 'admin' ? { organizationId } : { accountId };
}

export function revocationOf(
  id: string,
  { sessionsEnded, version }: RevokedCredential,
): CredentialRevocation {
  return { id, sessions_ended: sessionsEnded, version: version === null ? null : `${version}` };
}

export function apiTokenDocumentOf(token: ApiToken): ApiTokenDocument {
  return {
    id: token.id,
    name: token.name,
    account: token.account,
    hint: token.hint,
    role_limit: token.roleLimit,
    source_ranges: [...token.sourceRanges],
    created_by: token.createdBy,
    created_at: seconds(token.createdAt),
    expires_at: seconds(token.expiresAt),
    last_used_at: token.lastUsedAt && seconds(token.lastUsedAt),
    last_used_address: token.lastUsedAddress,
    revoked_at: token.revokedAt && seconds(token.revokedAt),
    revoked_by: token.revokedBy,
  };
}

function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
