import type { SeenTarget } from '../../api/targets.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printTable } from '../print-table.ts';
import { printable } from '../printable.ts';
import { listed, type Wanted } from '../reach/choose.ts';
import { type Seen, seenTargets } from '../reach/seen-targets.ts';

/** What there is, and whether it lets one in. */
export async function ls(
  context: SallyContext,
  { json, ...wanted }: Wanted & { readonly json?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  const seen = await seenTargets(context);
  const targets = listed(seen.targets, wanted);
  if (json) {
    const gateways = [...seen.gateways.values()];
    terminal.print(JSON.stringify({ targets, gateways, empty_apps: seen.emptyApps }, null, 2));
    return 'done';
  }
  if (targets.length > 0) {
    printTable(context, ['TARGET', 'ID', 'STATE', 'ROLE', 'ACCESS'], targets.map(row), { spare: 'ID' });
  }
  tellEmpty(context, seen, targets.length);
  return 'done';
}

function row({ name, alias, state, kind, role, allowed, reason }: SeenTarget): string[] {
  const what = [kind === 'instance' ? '' : kind, printable(role ?? '')].filter((word) => word !== '');
  return [
    name,
    alias,
    state,
    what.join(' ') || '-',
    allowed ? 'yes' : `no: ${printable(reason?.code ?? '')}`,
  ];
}

/** No access and no instances are two things. */
function tellEmpty({ terminal }: SallyContext, { targets, emptyApps, account }: Seen, found: number): void {
  for (const app of emptyApps) terminal.tell(`sally: ${app} has no instances now`);
  if (targets.length === 0 && emptyApps.length === 0) {
    terminal.tell(`sally: ${account} has no access to anything. Ask an admin for a role.`);
  } else if (found === 0 && targets.length > 0) {
    terminal.tell(`sally: none of your ${targets.length} targets is like that`);
  }
}
