/** What was typed for a CI rule, as the API wants it. Pure. */
import { z } from 'zod';
import { type CiRuleRequest, ciRuleRequest } from '../api/ci-rules.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { parseInput } from '../http/parse-input.ts';

const text = z.string().max(2_048);
export const ciRuleForm = z.strictObject({
  name: text,
  system: text,
  issuer: text,
  audience: text,
  claims: z.string().max(16_384),
  account: text,
  role_limit: text,
  minutes: text,
});

/** @throws request_malformed */
export function ciRuleOf(form: z.infer<typeof ciRuleForm>): CiRuleRequest {
  const { issuer, audience, claims, minutes, ...fields } = trimmed(form);
  return parseInput(
    ciRuleRequest,
    {
      ...fields,
      ...(issuer === '' ? {} : { issuer }),
      ...(audience === '' ? {} : { audience }),
      claims: claimsOf(claims),
      lifetime_seconds: Number(minutes) * 60,
    },
    'body',
  );
}

function trimmed<Form extends Record<string, string>>(form: Form): Form {
  return Object.fromEntries(Object.entries(form).map(([name, value]) => [name, value.trim()])) as Form;
}

/** `claim = pattern`, one a line; lines of one claim are alternatives. */
function claimsOf(text: string): Record<string, string[]> {
  const claims = new Map<string, string[]>();
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (line === '') continue;
    const [, claim, pattern] = /^([^\s=]+)\s*=\s*(\S+)$/.exec(line) ?? [];
    if (claim === undefined || pattern === undefined) {
      throw new SallyportError(
        'request_malformed',
        'Each line of the claims must look like: repository = acme/web',
      );
    }
    claims.set(claim, [...(claims.get(claim) ?? []), pattern]);
  }
  return Object.fromEntries(claims);
}
