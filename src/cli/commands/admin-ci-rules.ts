import { credentialRevocation } from '../../api/api-tokens.ts';
import { type CiRuleDocument, ciRuleDocument, ciRuleList, ciRuleRequest } from '../../api/ci-rules.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printTable } from '../print-table.ts';
import { printable } from '../printable.ts';
import { callSignedIn } from '../signed-in.ts';
import { spanText } from '../times.ts';
import { wellFormed } from '../well-formed.ts';

const list = { method: 'GET', path: '/v1/ci-rules', reply: ciRuleList } as const;

export async function ciRulesList(
  context: SallyContext,
  options: { readonly json?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  const { ci_rules } = await callSignedIn(context, list);
  if (options.json) {
    terminal.print(JSON.stringify({ ci_rules }, null, 2));
    return 'done';
  }
  if (ci_rules.length === 0) {
    terminal.print('There is no rule. To make one: sally admin ci-rules add --help');
    return 'done';
  }
  const rows = ci_rules.map((rule) => [
    rule.name,
    rule.system,
    rule.account,
    rule.role_limit,
    spanText(rule.lifetime_seconds),
    claimsText(rule),
    printable(rule.issuer),
  ]);
  printTable(context, ['RULE', 'SYSTEM', 'ACCOUNT', 'ROLE', 'LASTS', 'CLAIMS', 'ISSUER'], rows);
  return 'done';
}

export interface CiRuleAddOptions {
  readonly system: string;
  readonly account: string;
  readonly role: 'viewer' | 'contributor' | 'admin';
  readonly claim: readonly string[];
  readonly issuer?: string;
  readonly audience?: string;
  readonly lasts?: number;
  readonly json?: boolean;
}

export async function ciRulesAdd(
  context: SallyContext,
  name: string,
  options: CiRuleAddOptions,
): Promise<ExitName> {
  const { system, account, role, claim, issuer, audience, lasts, json } = options;
  const body = wellFormed(ciRuleRequest, {
    name,
    system,
    account,
    role_limit: role,
    claims: claimsOf(claim),
    ...(issuer !== undefined && { issuer }),
    ...(audience !== undefined && { audience }),
    ...(lasts !== undefined && { lifetime_seconds: lasts }),
  });
  const made = await callSignedIn(context, {
    method: 'POST',
    path: '/v1/ci-rules',
    body,
    reply: ciRuleDocument,
  });
  const { terminal } = context;
  if (json) terminal.print(JSON.stringify(made, null, 2));
  else
    terminal.say(
      `Rule ${made.name}: tokens of ${printable(made.issuer)} with ${claimsText(made)} are ${made.account}.`,
    );
  return 'done';
}

export async function ciRulesRemove(
  context: SallyContext,
  which: string,
  options: { readonly json?: boolean },
): Promise<ExitName> {
  const { ci_rules } = await callSignedIn(context, list);
  const rule = ci_rules.find(({ id, name }) => id === which || name === which);
  if (!rule) {
    throw new SallyportError(
      'not_found',
      'There is no rule with this name. The rules: sally admin ci-rules list',
    );
  }
  const reply = await callSignedIn(context, {
    method: 'POST',
    path: `/v1/ci-rules/${rule.id}/remove`,
    reply: credentialRevocation,
  });
  const { terminal } = context;
  if (options.json) terminal.print(JSON.stringify(reply, null, 2));
  else
    terminal.say(
      `${terminal.good('Removed')} ${rule.name}; sessions ended with it: ${reply.sessions_ended}.`,
    );
  return 'done';
}

/** repository=acme/shop, several times for several patterns. */
function claimsOf(given: readonly string[]): Record<string, string[]> {
  const claims: Record<string, string[]> = {};
  for (const text of given) {
    const at = text.indexOf('=');
    if (at < 1) {
      throw new SallyportError('settings_invalid', 'A claim is given as --claim NAME=PATTERN.');
    }
    const name = text.slice(0, at);
    claims[name] = [...(Object.hasOwn(claims, name) ? (claims[name] ?? []) : []), text.slice(at + 1)];
  }
  return claims;
}

function claimsText({ claims }: CiRuleDocument): string {
  const parts = Object.entries(claims).map(([name, patterns]) => `${name}=${patterns.join('|')}`);
  return printable(parts.join(' '));
}
