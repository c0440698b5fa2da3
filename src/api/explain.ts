/** GET /v1/explain?target=...: would I get in, and if not, why and what to do; also if something else were so. */
import { z } from 'zod';
import { accountName, targetName } from './common.ts';

/** Ten years: nobody asks further. */
const longestAgeSeconds = 315_360_000;

export const explainQuery = z
  .strictObject({
    target: targetName,
    /** Admins only. */
    account: accountName.optional(),
    without_mfa: z.literal('true').optional(),
    /** A second factor of so many seconds ago. */
    mfa_age: z
      .string()
      .regex(/^[0-9]{1,9}$/)
      .transform(Number)
      .refine((seconds) => seconds <= longestAgeSeconds)
      .optional(),
    /** This role and no other. */
    role: z.enum(['viewer', 'contributor', 'admin']).optional(),
    /** Not before now: what was is not known. */
    at: z.iso.datetime({ offset: true }).optional(),
    as_token: z.literal('true').optional(),
  })
  .refine(({ without_mfa, mfa_age }) => without_mfa === undefined || mfa_age === undefined, {
    message: 'is either without_mfa or mfa_age',
  });

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
  /** What the answer goes by, in words: the login, and whatever was supposed. Older servers do not say. */
  assumed: z.array(z.string()).default([]),
  /**
   * There only if true: the CA key of one's certificate is not trusted any more, since it was compromised. A new
   * certificate needs no login.
   */
  renew: z.literal(true).optional(),
});

export type ExplainQuery = z.infer<typeof explainQuery>;
export type ExplainReply = z.infer<typeof explainReply>;
