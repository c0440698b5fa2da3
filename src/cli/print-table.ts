import type { SallyContext } from './context.ts';
import { tableLines, terminalColumns } from './terminal.ts';

interface TableOptions {
  /** A column that is left out where the terminal has no room for all of them. */
  readonly spare?: string;
}

/** Rows under a head; on a terminal as wide as it is, in a pipe each in one line. */
export function printTable(
  { terminal, environment }: SallyContext,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { spare }: TableOptions = {},
): void {
  const columns = terminalColumns(environment);
  let lines = tableLines(head, rows, columns);
  const without = head.indexOf(spare ?? '');
  if (lines.head.length > 1 && without >= 0) {
    const others = (row: readonly string[]) => row.filter((_cell, at) => at !== without);
    lines = tableLines(others(head), rows.map(others), columns);
  }
  for (const line of lines.head) terminal.print(terminal.bold(line));
  for (const line of lines.rows) terminal.print(line);
}
