/** A plan as people read it: + comes, ~ changes, - goes. Nothing depends on the colors alone. */
import type { InventoryChange, InventoryPlan } from '../../api/inventory.ts';
import { printable } from '../printable.ts';
import type { Terminal } from '../terminal.ts';

export function planLines(plan: InventoryPlan, terminal: Terminal): string[] {
  const { changes, not_in_file, ends_connections } = plan;
  const lines = changes.flatMap((change) => changeLines(change, terminal));
  if (not_in_file.length > 0) {
    lines.push('', 'Not in the file, and left as they are (--prune removes them):');
    for (const { kind, name } of not_in_file) lines.push(`    ${noun(kind)} ${printable(name)}`);
  }
  if (changes.length > 0) lines.push('', `Plan: ${countsText(changes)}.`);
  if (ends_connections > 0) {
    lines.push(
      terminal.bold(`Live connections at what goes or is switched off, which end: ${ends_connections}.`),
    );
  }
  return lines;
}

/** "2 created, 1 changed, 0 removed" */
export function doneText(changes: readonly InventoryChange[]): string {
  return `${count(changes, 'create')} created, ${count(changes, 'change')} changed, ${count(changes, 'remove')} removed`;
}

function countsText(changes: readonly InventoryChange[]): string {
  return `${count(changes, 'create')} to create, ${count(changes, 'change')} to change, ${count(changes, 'remove')} to remove`;
}

function count(changes: readonly InventoryChange[], wanted: InventoryChange['action']): number {
  return changes.filter(({ action }) => action === wanted).length;
}

function changeLines({ action, kind, name, before, after }: InventoryChange, terminal: Terminal): string[] {
  const [sign, paint] = {
    create: ['+', terminal.good],
    change: ['~', terminal.bold],
    remove: ['-', terminal.bad],
  }[action] as [string, (text: string) => string];
  const title = paint(`${sign} ${noun(kind)} ${printable(name)}`);
  if (action === 'remove') return [title];
  const members = Object.entries(after ?? {}).filter(([, value]) => before !== null || !isNothing(value));
  return [
    title,
    ...members.map(([member, value]) =>
      before === null
        ? `    ${member}: ${text(value)}`
        : `    ${member}: ${text(before[member])} -> ${text(value)}`,
    ),
  ];
}

function noun(kind: string): string {
  return kind.replaceAll('_', ' ');
}

/** What a new thing would have anyway says nothing. */
function isNothing(value: unknown): boolean {
  return value === null || (Array.isArray(value) && value.length === 0) || JSON.stringify(value) === '{}';
}

function text(value: unknown): string {
  if (value === null || value === undefined) return 'none';
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
}
