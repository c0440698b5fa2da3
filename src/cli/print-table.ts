import type { SallyContext } from './context.ts';
import { tableLines } from './terminal.ts';

/** Rows under a head; on a terminal as wide as it is, in a pipe whole. */
export function printTable(
  { terminal, environment }: SallyContext,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const [first = '', ...rest] = tableLines(head, rows, environment.isTerminal ? environment.columns : 0);
  terminal.print(terminal.bold(first));
  for (const line of rest) terminal.print(line);
}
