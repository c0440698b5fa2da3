/** Which tokens of CI systems become which machine account, for the organization's admins. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { CredentialRevocation } from '../api/api-tokens.ts';
import { type CiRuleDocument, type CiRuleList, type CiRuleRequest, ciRuleRequest } from '../api/ci-rules.ts';
import { checkCiRule } from '../credentials/check-ci-rule.ts';
import {
  type CiRule,
  createCiRule,
  listCiRules,
  lockCiRule,
  removeCiRule,
} from '../credentials/ci-rule-store.ts';
import { ciSystems } from '../credentials/ci-systems.ts';
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { AppParts } from './app-parts.ts';
import { adminOf, type Membership } from './callers.ts';
import { parseId, parseInput, parseNoBody } from './parse-input.ts';
import { revocationOf } from './token-routes.ts';

const noQuery = z.strictObject({});

type Parts = Pick<AppParts, 'database' | 'publicUrl' | 'clock'>;

export function ciRoutes(app: FastifyInstance, parts: Parts): void {
  const { database, clock } = parts;

  app.get(
    '/v1/ci-rules',
    { config: { auth: 'admin', purpose: 'rules for tokens of CI systems' } },
    async (request): Promise<CiRuleList> => {
      parseInput(noQuery, request.query, 'query');
      const rules = await listCiRules(database.db, adminOf(request).organizationId);
      return { ci_rules: rules.map(ciRuleDocumentOf) };
    },
  );

  app.post(
    '/v1/ci-rules',
    {
      config: { auth: 'admin', stepUp: true, purpose: 'a rule by which tokens of a CI system are accepted' },
    },
    async (request, reply) => {
      const asked = parseInput(ciRuleRequest, request.body, 'body');
      return reply.code(201).send(ciRuleDocumentOf(await makeCiRule(parts, adminOf(request), asked)));
    },
  );

  app.post(
    '/v1/ci-rules/:id/remove',
    {
      config: {
        auth: 'admin',
        stepUp: true,
        purpose: 'ends a rule with its sessions and their certificates',
      },
    },
    async (request): Promise<CredentialRevocation> => {
      parseNoBody(request.body);
      const id = parseId((request.params as { id?: unknown }).id, 'CI rule');
      const { organizationId, account: by } = adminOf(request);
      const removed = await inTransaction(database.db, (tx) =>
        removeCiRule(tx, { id, organizationId, by }, clock()),
      );
      return revocationOf(id, removed);
    },
  );
}

/** @throws request_malformed, name_taken, not_found, forbidden */
export async function makeCiRule(
  { database, publicUrl, clock }: Parts,
  { organizationId, account: by }: Pick<Membership, 'organizationId' | 'account'>,
  asked: CiRuleRequest,
): Promise<CiRule> {
  const { system, name, claims, account, role_limit: roleLimit, lifetime_seconds: lifetimeSeconds } = asked;
  const issuer = asked.issuer ?? ciSystems[system].issuer;
  if (issuer === null) {
    throw new SallyportError(
      'request_malformed',
      `Rules for ${ciSystems[system].title} need an issuer, such as ${ciSystems[system].issuerExample}.`,
    );
  }
  const rule = { system, issuer, audience: asked.audience ?? publicUrl.origin, claims };
  // A server that is itself on plain http is one to try things out with.
  checkCiRule(rule, { allowInsecureLoopback: publicUrl.protocol === 'http:' });
  return await inTransaction(database.db, async (tx) => {
    const values = { ...rule, organizationId, name, account, roleLimit, lifetimeSeconds, by };
    const id = await createCiRule(tx, values, clock());
    const made = await lockCiRule(tx, id);
    if (made === undefined) throw new TypeError('the rule that was stored is not there');
    return made;
  });
}

export function ciRuleDocumentOf(rule: CiRule): CiRuleDocument {
  return {
    id: rule.id,
    name: rule.name,
    system: rule.system,
    issuer: rule.issuer,
    audience: rule.audience,
    claims: Object.fromEntries(
      Object.entries(rule.claims).map(([claim, patterns]) => [claim, [...patterns]]),
    ),
    account: rule.account,
    role_limit: rule.roleLimit,
    lifetime_seconds: rule.lifetimeSeconds,
    created_by: rule.createdBy,
    created_at: Math.floor(rule.createdAt.getTime() / 1000),
  };
}
