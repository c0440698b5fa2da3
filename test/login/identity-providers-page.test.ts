/** docs/identity-providers.md against the presets and the schema. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { conflictsAmong } from '../../src/login/configured-providers.ts';
import { type PresetName, presetNames, presets } from '../../src/login/presets.ts';
import {
  documentOf,
  type ProviderSettings,
  parseProviderSettings,
} from '../../src/login/provider-settings.ts';
import { root } from '../dev/started-program.ts';
import { rowsOf } from './preset-table.ts';

let page: string;
const sections = new Map<string, string>();
beforeAll(async () => {
  page = await readFile(join(root, 'docs/identity-providers.md'), 'utf8');
  for (const section of page.split(/^## /m)) {
    const [, preset] = /^`preset: ([a-z0-9]+)`$/m.exec(section) ?? [];
    if (preset !== undefined) sections.set(preset, section);
  }
});

test('there is one section for each preset', () => {
  expect([...sections.keys()]).toEqual([...presetNames]);
});

describe.each(presetNames)('the section of %s', (name: PresetName) => {
  test('shows the preset as it is', () => {
    const rows = [...(sections.get(name) ?? '').matchAll(/^\| `([a-z_.]+)` \| (.*) \|$/gm)];
    expect(rows.map(([, setting, value]) => [setting, value])).toEqual(rowsOf(presets[name]));
  });

  test('has an example that is accepted as it stands', () => {
    const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(sections.get(name) ?? '') ?? [];
    const [{ slug: _, client_secret_file: file, ...document }] = parse(yaml) as [Record<string, unknown>];
    expect(file).toBeTypeOf('string');
    const { settings, problems } = parseProviderSettings(document);
    expect(problems).toBeNull();
    expect(settings?.preset).toBe(name);
  });

  test('says what was verified', () => {
    if (name !== 'generic') expect(sections.get(name)).toMatch(/^Verified in [\s\S]+Not\s+verified:\s/m);
  });
});

test('the example in deploy/ is a list of providers that can stand side by side', async () => {
  const text = await readFile(join(root, 'deploy/identity-providers.example.yaml'), 'utf8');
  const entries = parse(text) as Record<string, unknown>[];
  const providers = entries.map(({ slug, client_secret_file: _, ...document }) => {
    const { settings, problems } = parseProviderSettings({ organization: 'acme', ...document });
    expect(problems).toBeNull();
    return { slug: String(slug), settings: settings as ProviderSettings };
  });
  expect(providers.length).toBeGreaterThan(1);
  expect(conflictsAmong(providers)).toEqual([]);
});

test('the table of settings names every setting there is', () => {
  const { settings } = parseProviderSettings({
    name: 'a',
    issuer: 'https://a.example',
    client_id: 'a',
    organization: 'acme',
  });
  if (settings === null) throw new TypeError('no settings');
  const nested = ['claims', 'groups', 'assurance', 'upstream'];
  const names = Object.entries(documentOf(settings)).flatMap(([name, value]) =>
    nested.includes(name) ? Object.keys(value as object).map((inner) => `${name}.${inner}`) : [name],
  );
  const [, table = ''] = /^## Settings\n([\s\S]*?)^A template/m.exec(page) ?? [];
  const listed = [...table.matchAll(/^\| `([a-z_.]+)` \|/gm)].map(([, name]) => name);
  expect(listed.sort()).toEqual(names.sort());
});
