import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { settingsSchema } from '../../src/server/settings.ts';
import { root } from '../dev/started-program.ts';

/** What no default is for; none of the values is read. */
const required = {
  DATABASE_URL: 'postgres://a',
  SALLYPORT_PUBLIC_URL: 'https://a.example',
  SALLYPORT_KEYS: 'a',
  SALLYPORT_ORGANIZATION: 'a',
};

/** Name and default of each row of the page's table of settings. */
async function settingsOf(page: string): Promise<{ name: string; byDefault: string }[]> {
  const text = await readFile(join(root, page), 'utf8');
  const rows = [...text.matchAll(/^\| `([A-Z_]+)`(?: or `DATABASE_URL_FILE`)? \| ([^|]*)\|/gm)];
  return rows.map(([, name = '', byDefault = '']) => ({ name, byDefault: byDefault.trim() }));
}

describe('docs/running-a-server.md', () => {
  test('names every setting there is, in the order of the schema, and no other', async () => {
    const names = (await settingsOf('docs/running-a-server.md')).map(({ name }) => name);
    expect(names).toEqual(Object.keys(settingsSchema.shape));
  });

  test('gives every default as it is, and none where a setting is required', async () => {
    const settings = settingsSchema.parse(required) as Readonly<Record<string, unknown>>;
    for (const { name, byDefault } of await settingsOf('docs/running-a-server.md')) {
      expect(byDefault, name).toBe(name in required ? '' : shown(settings[name]));
    }
    for (const name of Object.keys(required)) {
      const { [name as keyof typeof required]: _, ...others } = required;
      expect(settingsSchema.safeParse(others).success, name).toBe(false);
    }
  });
});

test('the README names settings that there are', async () => {
  const text = await readFile(join(root, 'README.md'), 'utf8');
  const names = [...text.matchAll(/`(SALLYPORT_[A-Z_]+)`/g)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(3);
  for (const name of names) expect(Object.keys(settingsSchema.shape)).toContain(name);
});

function shown(value: unknown): string {
  if (value === undefined) return 'none';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : `\`${value.join(' ')}\``;
  if (typeof value === 'object' && value !== null && 'port' in value && 'host' in value) {
    return `\`${value.host}:${value.port}\``;
  }
  return `\`${String(value)}\``;
}
