/** GET and POST /v1/ci-rules, POST /v1/ci-rules/:id/remove: which tokens of a CI system become which account. */
import { z } from 'zod';
import { role } from './api-tokens.ts';
import { accountName, slug, unixSeconds } from './common.ts';

export const ciSystem = z.enum(['github', 'gitlab', 'forgejo', 'kubernetes', 'other']);

/** A claim's name, or a pointer to one (RFC 6901) if it begins with "/". */
const claimName = z
  .string()
  .regex(/^(\/[^\s/][^\s]{0,126}|[A-Za-z0-9_][A-Za-z0-9_.:-]{0,126})$/, 'is not a claim');
/** `*` stands for anything within a segment, that is without "/" and ":"; `**` for anything. */
const claimPattern = z.string().regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 printable characters');

export const ciRuleRequest = z.strictObject({
  name: slug,
  system: ciSystem,
  /** The system's own if it has one; `iss` of the tokens to the letter. */
  issuer: z.url().max(512).optional(),
  /** `aud` of the tokens, and the only one; this server's public URL if left out. */
  audience: z.string().min(1).max(512).optional(),
  /** All of these must hold; of each list one pattern. */
  claims: z.record(claimName, z.array(claimPattern).min(1).max(50)).refine((claims) => {
    const count = Object.keys(claims).length;
    return count >= 1 && count <= 20;
  }, 'must name 1 to 20 claims'),
  /** A machine account of the organization. */
  account: accountName,
  role_limit: role,
  lifetime_seconds: z.int().min(300).max(86_400).default(3_600),
});

export const ciRuleDocument = z.strictObject({
  id: z.uuid(),
  name: slug,
  system: ciSystem,
  issuer: z.string(),
  audience: z.string(),
  claims: z.record(z.string(), z.array(z.string())),
  account: accountName,
  role_limit: role,
  lifetime_seconds: z.int(),
  created_by: accountName,
  created_at: unixSeconds,
});

export const ciRuleList = z.strictObject({ ci_rules: z.array(ciRuleDocument) });

export type CiSystem = z.infer<typeof ciSystem>;
export type CiRuleRequest = z.infer<typeof ciRuleRequest>;
export type CiRuleDocument = z.infer<typeof ciRuleDocument>;
export type CiRuleList = z.infer<typeof ciRuleList>;
