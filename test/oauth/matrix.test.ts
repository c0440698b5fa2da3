import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Attack, type Column, columns, matrix } from './matrix-cells.ts';
import { Endpoint } from './matrix-endpoints.ts';
import { matrixTable } from './matrix-table.ts';
import { type MatrixWorld, startMatrixWorld } from './matrix-world.ts';

const rows = matrix();
const endpoints = new Map<Column, Endpoint>();
let world: MatrixWorld;
beforeAll(async () => {
  world = await startMatrixWorld();
  for (const column of columns) endpoints.set(column, new Endpoint(world, column));
});
afterAll(async () => {
  await world.close();
  expect(world.running.serverErrors).toEqual([]);
});

function endpoint(column: Column): Endpoint {
  const found = endpoints.get(column);
  if (found === undefined) throw new TypeError(column);
  return found;
}

describe.each(columns)('%s', (column) => {
  test('takes the request that has nothing wrong', async () => {
    const { taken, said } = await endpoint(column).attempt({});
    expect([taken, said]).toEqual([true, said]);
  });

  const tried = rows.flatMap(({ check, rfc, cells }) => {
    const cell = cells[column];
    return typeof cell === 'string' ? [] : [[check, rfc, cell] as const];
  });
  test.each(tried)('refuses: %s (%s)', async (_check, _rfc, attack: Attack) => {
    const { taken, said } = await endpoint(column).attempt(attack);
    expect([taken, said]).toEqual([false, said]);
  });

  test('has used nothing up that was refused', async () => {
    const { taken, said } = await endpoint(column).attempt({});
    expect([taken, said]).toEqual([true, said]);
  });
});

test('every check has a place at every endpoint, or a reason why not', () => {
  for (const { check, cells } of rows) {
    for (const column of columns) {
      const cell = cells[column];
      expect([check, column, cell]).not.toEqual([check, column, '']);
    }
  }
});

test('README.md is this table', async () => {
  const readme = await readFile(new URL('README.md', import.meta.url), 'utf8');
  expect(readme).toContain(matrixTable(rows));
});
