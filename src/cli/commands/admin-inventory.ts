/** `sally admin apply` and `export`: the inventory as a file. */
import { type Pair, stringify } from 'yaml';
import { type InventoryPlan, inventoryPlan } from '../../api/inventory.ts';
import {
  type InventoryDocument,
  inventoryDocument,
  inventoryJsonSchema,
} from '../../api/inventory-document.ts';
import { writeFileAtomically } from '../../files/write-file.ts';
import { confirmed } from '../confirmed.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { doneText, planLines } from '../inventory/plan-text.ts';
import { parseYaml } from '../inventory/read-yaml.ts';
import { printable } from '../printable.ts';
import { readBytes } from '../read-bytes.ts';
import { callSignedIn } from '../signed-in.ts';

/** What the server takes at once. */
const limit = {
  most: 8 * 1024 * 1024,
  why: 'more than the server takes at once',
  what: 'the file',
};

export interface ApplyOptions {
  readonly file: string;
  readonly prune?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export async function inventoryApply(context: SallyContext, options: ApplyOptions): Promise<ExitName> {
  const { terminal } = context;
  const { file, prune = false, json, dryRun, yes } = options;
  const document = parseYaml(await readBytes(context, file, limit), { file, schema: inventoryDocument });
  const plan = await callSignedIn(context, {
    method: 'POST',
    path: '/v1/inventory/plan',
    body: { document, prune },
    reply: inventoryPlan,
  });
  if (dryRun || plan.changes.length === 0) {
    show(context, plan, options);
    return plan.changes.length === 0 ? 'done' : 'pending';
  }
  if (!json) for (const line of planLines(plan, terminal)) terminal.print(line);
  if (!yes) await confirmed(context, `Apply it to ${document.organization.slug}?`, 'Nothing was changed.');
  const applied = await callSignedIn(context, {
    method: 'POST',
    path: '/v1/inventory/apply',
    body: { document, prune, digest: plan.digest },
    reply: inventoryPlan,
  });
  if (json) terminal.print(JSON.stringify(applied, null, 2));
  else terminal.print(`${terminal.good('Applied')}: ${doneText(applied.changes)}.`);
  return 'done';
}

function show({ terminal }: SallyContext, plan: InventoryPlan, { file, json }: ApplyOptions): void {
  if (json) {
    terminal.print(JSON.stringify(plan, null, 2));
    return;
  }
  for (const line of planLines(plan, terminal)) terminal.print(line);
  if (plan.changes.length === 0) terminal.print(`Nothing to do: all is as ${printable(file)} says.`);
}

export interface ExportOptions {
  readonly output?: string;
  readonly json?: boolean;
}

const ownerOnly = { mode: 0o600 };

export async function inventoryExport(
  context: SallyContext,
  { output, json }: ExportOptions,
): Promise<ExitName> {
  const document = await callSignedIn(context, {
    method: 'GET',
    path: '/v1/inventory/document',
    reply: inventoryDocument,
  });
  const text = json ? `${JSON.stringify(document, null, 2)}\n` : yamlOf(document);
  if (output === undefined) context.terminal.print(text.trimEnd());
  else {
    await writeFileAtomically(output, text, ownerOnly);
    context.terminal.tell(`Wrote ${printable(output)}`);
  }
  return 'done';
}

function yamlOf(document: InventoryDocument): string {
  const options = { lineWidth: 0, aliasDuplicateObjects: false, sortMapEntries: nameFirst };
  return `# yaml-language-server: $schema=inventory.schema.json\n${stringify(document, options)}`;
}

/** People look for the name of a thing above what it is like; the rest stays in its order. */
function nameFirst(one: Pair, other: Pair): number {
  const place = ({ key }: Pair) => ['slug', 'name'].indexOf(String(key)) + 1 || 3;
  return place(one) - place(other);
}

/** Asks no server. */
export async function inventorySchema({ terminal }: SallyContext): Promise<ExitName> {
  terminal.print(JSON.stringify(inventoryJsonSchema(), null, 2));
  return 'done';
}
