/** Pages that only admins have. */
import type { FastifyRequest } from 'fastify';
import { SallyportError } from '../errors/sallyport-error.ts';
import { type BrowserCaller, browserOf } from '../http/callers.ts';

/** @throws forbidden */
export function requireAdmin(request: FastifyRequest): BrowserCaller {
  const person = browserOf(request);
  if (person.role === 'admin') return person;
  throw new SallyportError('forbidden', 'Only admins of the organization see this page.');
}
