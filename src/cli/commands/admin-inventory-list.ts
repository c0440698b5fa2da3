/** `sally admin inventory list`: what there is of a kind. */
import { z } from 'zod';
import { type InstanceDocument, instanceList } from '../../api/inventory.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printTable } from '../print-table.ts';
import { printable } from '../printable.ts';
import { callSignedIn } from '../signed-in.ts';

export interface InventoryListOptions {
  readonly app?: string;
  readonly state?: string;
  readonly json?: boolean;
}

type Thing = Readonly<Record<string, unknown>>;

export async function inventoryList(
  context: SallyContext,
  words: string,
  options: InventoryListOptions,
): Promise<ExitName> {
  const { terminal } = context;
  const columns = columnsOf.get(words);
  if (columns === undefined) {
    throw new SallyportError('settings_invalid', `A kind is one of: ${[...columnsOf.keys()].join(', ')}.`);
  }
  const things: readonly Thing[] =
    words === 'instances' ? await allInstances(context, options) : await allOf(context, words);
  if (options.json) {
    terminal.print(JSON.stringify({ [words.replace('-', '_')]: things }, null, 2));
    return 'done';
  }
  if (things.length === 0) {
    terminal.print(`There are no ${words}.`);
    return 'done';
  }
  const rows = things.map((thing) => columns.map((column) => cell(thing[column])));
  printTable(
    context,
    columns.map((column) => column.replaceAll('_', ' ').toUpperCase()),
    rows,
  );
  return 'done';
}

const machineColumns = ['name', 'address', 'port', 'ports', 'host_names'];
const columnsOf = new Map<string, readonly string[]>([
  ['projects', ['name', 'ssh_enabled']],
  [
    'environments',
    ['name', 'kind', 'ssh_enabled', 'mfa_required', 'mfa_max_age_seconds', 'access', 'gateways'],
  ],
  ['services', ['name', 'kind', 'address', 'port', 'role', 'enabled']],
  ['apps', ['name', 'ssh_enabled', 'ssh_role', 'folder', 'journal_unit']],
  ['gateways', machineColumns],
  ['hosts', machineColumns],
  [
    'instances',
    ['name', 'state', 'kind', 'role', 'address', 'port', 'login', 'host', 'alias', 'reported_by'],
  ],
  ['access-rules', ['role', 'group', 'account', 'project', 'environment', 'expires_at']],
]);

function cell(value: unknown): string {
  if (value === null || value === undefined) return '-';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.map(cell).join(' ') || '-';
  return printable(String(value));
}

async function allOf(context: SallyContext, words: string): Promise<readonly Thing[]> {
  const reply = z.record(z.string(), z.array(z.record(z.string(), z.unknown())));
  const found = await callSignedIn(context, { method: 'GET', path: `/v1/inventory/${words}`, reply });
  return found[words.replace('-', '_')] ?? [];
}

async function allInstances(
  context: SallyContext,
  { app, state }: InventoryListOptions,
): Promise<InstanceDocument[]> {
  const instances: InstanceDocument[] = [];
  for (let after: string | null = ''; after !== null; ) {
    const query = new URLSearchParams({
      ...(app === undefined ? {} : { app: app.replaceAll('/', '.') }),
      ...(state === undefined ? {} : { state }),
      ...(after === '' ? {} : { after }),
      limit: '2000',
    });
    const page: z.output<typeof instanceList> = await callSignedIn(context, {
      method: 'GET',
      path: `/v1/inventory/instances?${query}`,
      reply: instanceList,
    });
    instances.push(...page.instances);
    after = page.next;
  }
  return instances;
}
