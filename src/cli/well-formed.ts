import type { z } from 'zod';
import { SallyportError } from '../errors/sallyport-error.ts';

/** What the server would take, or every problem with it at once, before anything is asked. @throws settings_invalid */
export function wellFormed<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new SallyportError('settings_invalid', `This can't be asked for. ${problems.join('; ')}`);
}
