/** The matrix in words. */
import { columns, type Row } from './matrix-cells.ts';

/** A row for each check: `✓` where a test tries it, else the number of the reason below. */
export function matrixTable(rows: readonly Row[]): string {
  const reasons = [
    ...new Set(rows.flatMap(({ cells }) => Object.values(cells)).filter((cell) => typeof cell === 'string')),
  ];
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(['check', 'asked for by', ...columns]),
    line(['---', '---', ...columns.map(() => '---')]),
    ...rows.map(({ check, rfc, cells }) =>
      line([
        check,
        rfc,
        ...columns.map((column) => {
          const cell = cells[column];
          return typeof cell === 'string' ? String(reasons.indexOf(cell) + 1) : '✓';
        }),
      ]),
    ),
    '',
    ...reasons.map((reason, index) => `${index + 1}. ${reason}`),
    '',
  ].join('\n');
}
