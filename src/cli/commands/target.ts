import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { printable } from '../printable.ts';
import { findTarget, type Selection } from '../reach/find-target.ts';
import { seenTargets } from '../reach/seen-targets.ts';
import { sshNameOf } from '../reach/ssh-names.ts';
import { factLines, terminalColumns } from '../terminal.ts';

/** One target with its names and ids, and how plain ssh gets there. */
export async function target(
  context: SallyContext,
  { json, ...selection }: Selection & { readonly json?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  const seen = await seenTargets(context);
  const found = await findTarget(context, seen, selection);
  const gateway = seen.gateways.get(found.gateways[0] ?? '');
  const names = sshNameOf(found, gateway);
  if (json) {
    terminal.print(JSON.stringify({ ...found, ssh: names }, null, 2));
    return 'done';
  }
  const { reason, role, kind, labels } = found;
  const labelText = Object.entries(labels).map(([name, value]) => `${printable(name)}=${printable(value)}`);
  const facts = factLines(
    [
      ['Target', terminal.bold(found.name)],
      ['Id', `${found.alias}, or ${found.number}`],
      [
        'App',
        `${found.app}, environment ${found.environment} (${found.environment_kind}) of ${found.project}`,
      ],
      ['Instance', found.instance ?? 'the only one'],
      ['Kind', role === null ? kind : `${kind}, role ${printable(role)}`],
      ...(labelText.length > 0 ? [['Labels', labelText.join(' ')] as const] : []),
      ['State', found.state],
      ['Address', `${found.login}@${found.address}:${found.port}`],
      ['Gateway', gateway ? `${gateway.name}, ${gateway.address} port ${gateway.ports.join(', ')}` : 'none'],
      ['Ways', found.ways.join(', ') || 'none'],
      ['Ssh', `${names.user}@${names.host}`],
      ['Log', found.journal_unit === null ? 'no journal unit is named' : `unit ${found.journal_unit}`],
      ['Access', found.allowed ? 'yes' : `no: ${printable(reason?.message ?? '')}`],
    ],
    terminalColumns(context.environment),
  );
  for (const line of facts) terminal.print(line);
  return 'done';
}
