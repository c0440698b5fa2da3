/** Body, query and path against their schemas. Nothing is coerced, unknown members are refused. */
import { z } from 'zod';
import { SallyportError } from '../errors/sallyport-error.ts';

const mostIssuesTold = 5;

/** @throws request_malformed naming the members that are wrong, never their values */
export function parseInput<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  part: 'body' | 'query' | 'path',
): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues
    .slice(0, mostIssuesTold)
    .map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message));
  throw new SallyportError(
    'request_malformed',
    `The request's ${part} is not as expected. ${issues.join('; ')}`,
  );
}

const nothing = z.union([z.undefined(), z.null(), z.strictObject({})]);

/** For routes that take no body: none, or an empty object. */
export function parseNoBody(body: unknown): void {
  parseInput(nothing, body, 'body');
}

/** An id in a path. One that can't exist is as unknown as one that doesn't. */
export function parseId(id: unknown, what: string): string {
  const parsed = z.uuid().safeParse(id);
  if (!parsed.success) throw new SallyportError('not_found', `There is no ${what} with this id.`);
  return parsed.data.toLowerCase();
}
