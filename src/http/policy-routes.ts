/** Tests of an organization's policy, for its admins and for the jobs that watch over it. */
import type { FastifyInstance } from 'fastify';
import { type PolicyTestReply, policyTestRequest } from '../api/policy-test.ts';
import type { AppParts } from './app-parts.ts';
import { adminOf } from './callers.ts';
import { parseInput } from './parse-input.ts';
import { policyFacts } from './policy-facts.ts';
import { testPolicy } from './test-policy.ts';

/** A document of thousands of instances, and the cases beside it. */
const largestBodyBytes = 8 * 1024 * 1024;

export function policyRoutes(
  app: FastifyInstance,
  { database, clock }: Pick<AppParts, 'database' | 'clock'>,
): void {
  app.post(
    '/v1/policy/test',
    {
      config: {
        auth: 'admin',
        purpose: 'who would get in where; also under another inventory, which stays untouched',
      },
      bodyLimit: largestBodyBytes,
    },
    async (request): Promise<PolicyTestReply> => {
      const asked = parseInput(policyTestRequest, request.body, 'body');
      const now = clock();
      const facts = await policyFacts(database.db, adminOf(request), asked, now);
      return testPolicy(asked.cases, facts, Math.floor(now.getTime() / 1000));
    },
  );
}
