/** `sally admin policy test`: whether the organization's policy lets in whom a file says, and nobody else. */
import { inventoryDocument } from '../../api/inventory-document.ts';
import { type PolicyTestReply, policyTestFile, policyTestReply } from '../../api/policy-test.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { parseYaml } from '../inventory/read-yaml.ts';
import { junitText } from '../junit-text.ts';
import { printable } from '../printable.ts';
import { readBytes } from '../read-bytes.ts';
import { callSignedIn } from '../signed-in.ts';

/** What the server takes at once. */
const limit = { most: 8 * 1024 * 1024, why: 'more than the server takes at once', what: 'the file' };

export interface PolicyTestOptions {
  readonly inventory?: string;
  readonly prune?: boolean;
  readonly json?: boolean;
  readonly junit?: boolean;
}

/** Ends with 1 if a case fails. */
export async function policyTest(
  context: SallyContext,
  file: string,
  { inventory, prune = false, json, junit }: PolicyTestOptions,
): Promise<ExitName> {
  const { cases } = parseYaml(await readBytes(context, file, limit), { file, schema: policyTestFile });
  const document =
    inventory === undefined
      ? undefined
      : parseYaml(await readBytes(context, inventory, limit), { file: inventory, schema: inventoryDocument });
  const reply = await callSignedIn(context, {
    method: 'POST',
    path: '/v1/policy/test',
    body: { cases, ...(document === undefined ? {} : { document, prune }) },
    reply: policyTestReply,
  });
  const { terminal } = context;
  if (json) terminal.print(JSON.stringify(reply, null, 2));
  else if (junit) terminal.print(junitText(reply));
  else for (const line of linesOf(reply, context)) terminal.print(line);
  return reply.failed === 0 ? 'done' : 'failed';
}

function linesOf({ results, passed, failed }: PolicyTestReply, { terminal }: SallyContext): string[] {
  const wrong = results
    .filter((result) => !result.passed)
    .flatMap((result) => [
      `${terminal.bad('FAILED')}: ${printable(result.name)}`,
      `  expected: ${expectedText(result)}`,
      `  found:    ${printable(foundText(result))}`,
    ]);
  return [...wrong, `${passed} passed, ${failed} failed.`];
}

type Result = PolicyTestReply['results'][number];

function expectedText({ expected: { allowed, reasons } }: Result): string {
  if (allowed) return 'allowed';
  return reasons === null ? 'denied' : `denied (${reasons.join(', ')})`;
}

function foundText({ found, problem }: Pick<Result, 'found' | 'problem'>): string {
  if (found === null) return problem ?? 'nothing';
  if (found.allowed) return 'allowed';
  const codes = found.reasons.map(({ code }) => code).join(', ');
  return `denied (${codes}): ${found.reasons.map(({ message }) => message).join(' ')}`;
}
