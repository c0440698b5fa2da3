/** What the organization asks of logins, for its admins. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { type LoginPolicyReply, loginPolicyChange } from '../api/login-policy.ts';
import { inTransaction } from '../database/transaction.ts';
import { changeLoginPolicy, readLoginPolicy } from '../inventory/login-policy.ts';
import type { AppParts } from './app-parts.ts';
import { adminOf } from './callers.ts';
import { parseInput } from './parse-input.ts';

const noQuery = z.strictObject({});

export function loginPolicyRoutes(app: FastifyInstance, parts: Pick<AppParts, 'database' | 'clock'>): void {
  const { database, clock } = parts;

  app.get(
    '/v1/organization/login-policy',
    { config: { auth: 'admin', purpose: 'what the organization asks of logins' } },
    async (request) => {
      parseInput(noQuery, request.query, 'query');
      return await readLoginPolicy(database.db, adminOf(request).organizationId);
    },
  );

  app.post(
    '/v1/organization/login-policy',
    { config: { auth: 'admin', stepUp: true, purpose: 'changes what the organization asks of logins' } },
    async (request) => {
      const change = parseInput(loginPolicyChange, request.body, 'body');
      const { organizationId, account: by } = adminOf(request);
      return await inTransaction(database.db, (tx) =>
        changeLoginPolicy(tx, { organizationId, change: present(change), by }, clock()),
      );
    },
  );
}

/** Without members that were not sent. */
function present(change: z.infer<typeof loginPolicyChange>): Partial<LoginPolicyReply> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}
