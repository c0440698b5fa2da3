/** API tokens and, for admins, the rules for CI. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { apiTokenRequest } from '../api/api-tokens.ts';
import { listApiTokens, type TokenScope } from '../credentials/api-token-store.ts';
import { listCiRules, removeCiRule } from '../credentials/ci-rule-store.ts';
import { revokeApiToken } from '../credentials/revoke-api-token.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { type BrowserCaller, browserOf } from '../http/callers.ts';
import { ciRuleDocumentOf, makeCiRule } from '../http/ci-routes.ts';
import { parseId, parseInput } from '../http/parse-input.ts';
import { sendPage } from '../http/security-headers.ts';
import { apiTokenDocumentOf, makeApiToken, tokenScope } from '../http/token-routes.ts';
import { endCredentialPage } from '../pages/end-credential-page.ts';
import { newTokenPage } from '../pages/new-token-page.ts';
import { type TokensView, tokensPage } from '../pages/tokens-page.ts';
import { requireAdmin } from './admin.ts';
import { ciRuleForm, ciRuleOf } from './ci-rule-form.ts';
import type { ConsoleParts } from './console-parts.ts';
import { readOwnForm, requireOwnForm } from './form.ts';

const path = '/console/tokens';
const text = z.string().max(2_048);
const tokenForm = z.strictObject({
  name: text,
  /** Only admins are asked. */
  account: text.default(''),
  role_limit: text,
  days: text,
  source_ranges: text,
});

export function tokenRoutes(app: FastifyInstance, parts: ConsoleParts): void {
  const { database, clock } = parts;

  async function show(
    reply: FastifyReply,
    person: BrowserCaller,
    forms: Pick<TokensView, 'tokenForm' | 'ruleForm'> = {},
  ): Promise<FastifyReply> {
    const now = clock();
    const isAdmin = person.role === 'admin';
    const tokens = await listApiTokens(database.db, tokenScope(person), now);
    const rules = isAdmin ? await listCiRules(database.db, person.organizationId) : [];
    const view = {
      person,
      organization: person.organization,
      isAdmin,
      tokens: tokens.map(apiTokenDocumentOf),
      rules: rules.map(ciRuleDocumentOf),
      nowSeconds: Math.floor(now.getTime() / 1000),
    };
    return sendPage(reply, tokensPage({ ...view, ...forms }));
  }

  app.get(
    path,
    { config: { auth: 'browser', purpose: 'page: one’s own API tokens; for admins all, and rules for CI' } },
    async (request, reply) => show(reply, browserOf(request)),
  );

  app.post(
    path,
    { config: { auth: 'browser', stepUp: true, purpose: 'makes an API token and shows it once' } },
    async (request, reply) => {
      const person = browserOf(request);
      const fields = readOwnForm(request, tokenForm);
      try {
        const asked = parseInput(apiTokenRequest, apiTokenOf(fields), 'body');
        const made = await makeApiToken(parts, person, asked);
        return sendPage(reply, newTokenPage({ person, isAdmin: person.role === 'admin', made }));
      } catch (error) {
        return await show(reply, person, { tokenForm: { fields, problem: problemOf(error, reply) } });
      }
    },
  );

  app.get(
    `${path}/:id/revoke`,
    { config: { auth: 'browser', purpose: 'page: asks before an API token is revoked' } },
    async (request, reply) => {
      const person = browserOf(request);
      const id = idOf(request, 'API token');
      const token = (await listApiTokens(database.db, tokenScope(person), clock())).find(
        (one) => one.id === id,
      );
      if (token === undefined) throw new SallyportError('not_found', 'There is no API token with this id.');
      const page = endCredentialPage({
        person,
        isAdmin: person.role === 'admin',
        question: 'Revoke this API token?',
        verb: 'Revoke',
        action: `${path}/${id}/revoke`,
        facts: [
          ['Name', token.name],
          ['Account', token.account],
          ['Begins with', token.hint],
        ],
      });
      return sendPage(reply, page);
    },
  );

  app.post(
    `${path}/:id/revoke`,
    { config: { auth: 'browser', purpose: 'ends an API token with its sessions' } },
    async (request, reply) => {
      requireOwnForm(request);
      const person = browserOf(request);
      const within: TokenScope = tokenScope(person);
      const asked = { id: idOf(request, 'API token'), within, by: person.account };
      await inTransaction(database.db, (tx) => revokeApiToken(tx, asked, clock()));
      return reply.redirect(path, 303);
    },
  );

  app.post(
    `${path}/ci-rules`,
    { config: { auth: 'browser', stepUp: true, purpose: 'makes a rule for tokens of a CI system' } },
    async (request, reply) => {
      const person = requireAdmin(request);
      const fields = readOwnForm(request, ciRuleForm);
      try {
        await makeCiRule(parts, person, ciRuleOf(fields));
      } catch (error) {
        return await show(reply, person, { ruleForm: { fields, problem: problemOf(error, reply) } });
      }
      return reply.redirect(path, 303);
    },
  );

  app.get(
    `${path}/ci-rules/:id/remove`,
    { config: { auth: 'browser', purpose: 'page: asks before a rule for CI is removed' } },
    async (request, reply) => {
      const person = requireAdmin(request);
      const id = idOf(request, 'CI rule');
      const rule = (await listCiRules(database.db, person.organizationId)).find((one) => one.id === id);
      if (rule === undefined) throw new SallyportError('not_found', 'There is no CI rule with this id.');
      const page = endCredentialPage({
        person,
        isAdmin: true,
        question: 'Remove this rule?',
        verb: 'Remove',
        action: `${path}/ci-rules/${id}/remove`,
        facts: [
          ['Rule', rule.name],
          ['Issuer', rule.issuer],
          ['Account', rule.account],
        ],
      });
      return sendPage(reply, page);
    },
  );

  app.post(
    `${path}/ci-rules/:id/remove`,
    { config: { auth: 'browser', stepUp: true, purpose: 'ends a rule for CI with its sessions' } },
    async (request, reply) => {
      requireOwnForm(request);
      const { organizationId, account: by } = requireAdmin(request);
      const id = idOf(request, 'CI rule');
      await inTransaction(database.db, (tx) => removeCiRule(tx, { id, organizationId, by }, clock()));
      return reply.redirect(path, 303);
    },
  );
}

/** As the API wants it. */
function apiTokenOf({ name, account, role_limit, days, source_ranges }: z.infer<typeof tokenForm>): unknown {
  return {
    name: name.trim(),
    ...(account.trim() === '' ? {} : { account: account.trim() }),
    role_limit,
    expires_in_seconds: Number(days) * 86_400,
    source_ranges: source_ranges.split(/[\s,]+/).filter((range) => range !== ''),
  };
}

function idOf(request: FastifyRequest, what: string): string {
  return parseId((request.params as { id?: unknown }).id, what);
}

/** For the form, which is shown again. @throws what is nobody's fault who fills in a form */
function problemOf(error: unknown, reply: FastifyReply): string {
  if (!isSallyportError(error) || error.status >= 500) throw error;
  reply.code(error.status);
  return error.message;
}
