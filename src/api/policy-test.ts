/**
 * Tests of an organization's policy: who would get in where. The file of `sally admin policy test` holds `cases`; POST
 * /v1/policy/test takes them, against what is so now or as if an inventory document had been applied.
 */
import { z } from 'zod';
import { accountName, targetName } from './common.ts';
import { inventoryDocument } from './inventory-document.ts';

const role = z.enum(['viewer', 'contributor', 'admin']);
const mostCases = 500;

export const policyCase = z
  .strictObject({
    name: z.string().min(1).max(200),
    /** Who: an account of the organization; or anybody with these groups; or the account as if it had them. */
    account: accountName.optional(),
    groups: z.array(z.string().min(1).max(200)).max(200).optional(),
    target: targetName,
    /** How long ago the second factor was given, in seconds. Absent: just now. */
    mfa: z
      .union([z.literal('none'), z.strictObject({ age: z.int().min(0).max(315_360_000) })])
      .default({ age: 0 }),
    /** Absent: now. */
    at: z.iso.datetime({ offset: true }).optional(),
    /** Of a token. */
    role_limit: role.optional(),
    mode: z.enum(['interactive', 'token', 'ci', 'key']).default('interactive'),
    expect: z.enum(['allowed', 'denied']),
    /** Codes of docs/refusals.md: all of them, in any order. Absent: whatever the reasons are. */
    reasons: z
      .array(z.string().regex(/^[a-z_]{1,40}$/))
      .max(20)
      .optional(),
  })
  .refine(({ account, groups }) => account !== undefined || groups !== undefined, {
    message: 'needs account or groups',
  })
  .refine(({ expect, reasons }) => expect === 'denied' || reasons === undefined, {
    message: 'has reasons only where it expects denied',
  });

export const policyTestFile = z.strictObject({ cases: z.array(policyCase).min(1).max(mostCases) });

export const policyTestRequest = z.strictObject({
  cases: policyTestFile.shape.cases,
  document: inventoryDocument.optional(),
  /** As of applying the document. */
  prune: z.boolean().default(false),
});

export const policyTestReply = z.strictObject({
  passed: z.int().min(0),
  failed: z.int().min(0),
  results: z.array(
    z.strictObject({
      name: z.string(),
      passed: z.boolean(),
      expected: z.strictObject({ allowed: z.boolean(), reasons: z.array(z.string()).nullable() }),
      /** null: it could not be tried, as `problem` says. */
      found: z
        .strictObject({
          allowed: z.boolean(),
          reasons: z.array(z.strictObject({ code: z.string(), message: z.string() })),
        })
        .nullable(),
      problem: z.string().nullable(),
    }),
  ),
});

export type PolicyCase = z.output<typeof policyCase>;
export type PolicyTestReply = z.infer<typeof policyTestReply>;
export type PolicyTestRequest = z.output<typeof policyTestRequest>;
