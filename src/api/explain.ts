/** GET /v1/explain?target=...: would I get in, and if not, why and what to do. */
import { z } from 'zod';
import { accountName, targetName } from './common.ts';

export const explainReply = z.strictObject({
  account: accountName,
  target: targetName,
  allowed: z.boolean(),
  /** Codes of policy/reasons.ts, first the one that matters most. */
  reasons: z.array(z.strictObject({ code: z.string(), message: z.string() })),
  /** What to run next, null if nothing helps. */
  command: z.string().nullable(),
  /** The refusal as SSH shows it, empty if allowed. */
  text: z.string(),
  /**
   * There only if true: the CA key of one's certificate is not trusted any more, since it was compromised. A new
   * certificate needs no login.
   */
  renew: z.literal(true).optional(),
});

export type ExplainReply = z.infer<typeof explainReply>;
