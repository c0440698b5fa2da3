/** Access rules, for admins. A rule has no name: whom it is for, on what, and the role say which one is meant. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { documentedRule } from '../api/inventory-document.ts';
import { withDefaults } from '../api/inventory-members.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { accessRuleItem, momentText } from '../inventory/kinds/access-rule.ts';
import { findItem, kindStores } from '../inventory/kinds/all-kinds.ts';
import type { Item, Write } from '../inventory/kinds/kind-store.ts';
import type { AppParts } from './app-parts.ts';
import { adminOf } from './callers.ts';
import { changing, writing } from './inventory-routes.ts';
import { thingDocument } from './inventory-things.ts';
import { parseInput } from './parse-input.ts';

const noQuery = z.strictObject({});

export function accessRuleRoutes(app: FastifyInstance, parts: Pick<AppParts, 'database' | 'clock'>): void {
  app.get(
    '/v1/inventory/access-rules',
    { config: { auth: 'admin', purpose: 'who has which role where' } },
    async (request) => {
      parseInput(noQuery, request.query, 'query');
      const rules = await kindStores.access_rule.list(parts.database.db, adminOf(request).organizationId);
      return { access_rules: rules.map(thingDocument) };
    },
  );

  app.post(
    '/v1/inventory/access-rules',
    { config: { ...writing, purpose: 'gives an account or a group a role' } },
    async (request, reply) => {
      const after = ruleOf(request.body);
      const made = await changing(parts, request, async () => ({ action: 'create', before: null, after }));
      return reply.code(201).send(thingDocument(made));
    },
  );

  app.post(
    '/v1/inventory/access-rules/change',
    { config: { ...writing, purpose: 'changes when a rule ends; without a moment it does not' } },
    async (request) => {
      const after = ruleOf(request.body);
      const changed = await changing(parts, request, async (write) => ({
        action: 'change',
        before: await present(write, after),
        after,
      }));
      return thingDocument(changed);
    },
  );

  app.post(
    '/v1/inventory/access-rules/remove',
    { config: { ...writing, purpose: 'takes a role back' } },
    async (request, reply) => {
      const rule = ruleOf(request.body);
      await changing(parts, request, async (write) => ({
        action: 'remove',
        before: await present(write, rule),
        after: null,
      }));
      return reply.code(204).send();
    },
  );
}

function ruleOf(body: unknown): Item<'access_rule'> {
  const { expires_at, ...rule } = parseInput(documentedRule, body, 'body');
  const end = expires_at == null ? null : momentText(new Date(expires_at));
  const said = Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined));
  return accessRuleItem(withDefaults('access_rule', { ...said, expires_at: end }));
}

async function present(
  { tx, organizationId }: Write,
  { name }: Item<'access_rule'>,
): Promise<Item<'access_rule'>> {
  const rule = await findItem(tx, organizationId, 'access_rule', name);
  if (rule !== undefined) return rule;
  throw new SallyportError('not_found', 'There is no such access rule in your organization.');
}
