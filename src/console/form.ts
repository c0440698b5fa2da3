/** Forms of the console carry the session's token. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { browserOf } from '../http/callers.ts';
import { parseInput } from '../http/parse-input.ts';
import { requireCsrfToken } from '../http/session-cookie.ts';

const token = z.looseObject({ csrf_token: z.string().max(200) });

/**
 * The fields of a form, without the token.
 * @param schema a strict object without `csrf_token`
 * @throws cross_site_request before anything else is looked at; request_malformed
 */
export function readOwnForm<Fields extends z.ZodObject>(
  request: FastifyRequest,
  schema: Fields,
): z.infer<Fields> {
  const { csrf_token, ...fields } = parseInput(token, request.body, 'body');
  requireCsrfToken(browserOf(request).csrfToken, csrf_token);
  return parseInput(schema, fields, 'body');
}

/** For a form that has only its button. @throws request_malformed, cross_site_request */
export function requireOwnForm(request: FastifyRequest): void {
  readOwnForm(request, z.strictObject({}));
}
