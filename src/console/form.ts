/** Forms of the console carry the session's token and nothing else. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { browserOf } from '../http/callers.ts';
import { parseInput } from '../http/parse-input.ts';
import { requireCsrfToken } from '../http/session-cookie.ts';

const form = z.strictObject({ csrf_token: z.string().max(200) });

/** @throws request_malformed, cross_site_request */
export function requireOwnForm(request: FastifyRequest): void {
  requireCsrfToken(browserOf(request).csrfToken, parseInput(form, request.body, 'body').csrf_token);
}
