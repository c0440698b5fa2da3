import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

interface Rules {
  forbidden: { name: string; comment?: string }[];
  sallyport: { direct: Record<string, string[]>; trustZones: Record<string, string[]> };
}

test('docs/architecture.md lists the folders and imports that the dependency rules allow', async () => {
  const rules: Rules = createRequire(import.meta.url)(join(root, '.dependency-cruiser.cjs'));
  const page = await readFile(join(root, 'docs', 'architecture.md'), 'utf8');
  const row = /^\| (?!folder)([a-z]+) \| [^|]* \| ([^|]*?) ?\|$/gm;
  const rows = [...page.matchAll(row)].map(([, folder = '', imports = '']) => [
    folder,
    imports === '' ? [] : imports.split(', '),
  ]);
  expect(Object.fromEntries(rows)).toEqual({ ...rules.sallyport.direct, ...rules.sallyport.trustZones });
});
