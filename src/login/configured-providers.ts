/**
 * Identity providers that the operator configures in a file: a YAML or JSON list, each entry a slug, the settings, and
 * the file that holds its client secret, found from where the list is. All problems are reported together.
 */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parse, YAMLError } from 'yaml';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { isSlug } from '../ssh/names.ts';
import { collidingPrefixes } from './colliding-prefixes.ts';
import { type ProviderSettings, parseProviderSettings } from './provider-settings.ts';

export interface ConfiguredProvider {
  readonly slug: string;
  readonly settings: ProviderSettings;
  readonly clientSecret: string;
}

/** The provider that SALLYPORT_OIDC_* sets up. Its redirect URI is /login/callback; every other's ends in its slug. */
export const defaultProviderSlug = 'default';

/**
 * @param organization of entries that name none
 * @throws settings_invalid with every problem
 */
export async function readProviderFile(path: string, organization?: string): Promise<ConfiguredProvider[]> {
  const entries = parseList(await textOf(path), path);
  const problems: string[] = [];
  const providers: ConfiguredProvider[] = [];
  for (const [index, entry] of entries.entries()) {
    const provider = await readEntry(entry, { folder: dirname(path), organization });
    if (Array.isArray(provider))
      problems.push(...provider.map((problem) => `${nameOf(entry, index)}: ${problem}`));
    else providers.push(provider);
  }
  problems.push(...conflictsAmong(providers));
  if (problems.length > 0) throw invalid(`${path}: ${problems.join('; ')}`);
  return providers;
}

/** What several providers can't have in common; empty if all is well. */
export function conflictsAmong(
  providers: readonly Pick<ConfiguredProvider, 'slug' | 'settings'>[],
): string[] {
  const slugs = providers.map(({ slug }) => slug);
  const twice = [...new Set(slugs.filter((slug, index) => slugs.indexOf(slug) !== index))];
  return [...twice.map((slug) => `two providers have the slug ${slug}`), ...collidingPrefixes(providers)];
}

async function readEntry(
  entry: unknown,
  { folder, organization }: { folder: string; organization: string | undefined },
): Promise<ConfiguredProvider | string[]> {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
    return ['must be a provider with a slug'];
  const { slug, client_secret_file: secretFile, ...document } = entry as Record<string, unknown>;
  const found: string[] = [];
  if (typeof slug !== 'string' || !isSlug(slug))
    found.push('slug must be a name such as okta: a-z 0-9 and - between');
  const parsed = parseProviderSettings({
    ...(organization === undefined ? {} : { organization }),
    ...document,
  });
  found.push(...(parsed.problems ?? []).map(({ at, message }) => `${at} ${message}`.trim()));
  const clientSecret =
    typeof secretFile === 'string'
      ? await secretFrom(resolve(folder, secretFile))
      : 'client_secret_file is missing';
  if (typeof clientSecret === 'string') found.push(clientSecret);
  if (found.length > 0 || parsed.settings === null || typeof clientSecret === 'string') return found;
  return { slug: slug as string, settings: parsed.settings, clientSecret: clientSecret.secret };
}

function parseList(text: string, path: string): unknown[] {
  let list: unknown;
  try {
    // JSON is YAML. Aliases are not needed here and can make a small file a huge one.
    list = parse(text, { maxAliasCount: 0, uniqueKeys: true, strict: true });
  } catch (error) {
    if (!(error instanceof YAMLError) && !(error instanceof ReferenceError)) throw error;
    throw invalid(`${path} is neither YAML nor JSON: ${error.message.split('\n')[0]}`);
  }
  if (Array.isArray(list)) return list;
  throw invalid(`${path} must be a list of identity providers; see docs/identity-providers.md`);
}

function nameOf(entry: unknown, index: number): string {
  const slug = typeof entry === 'object' && entry !== null && 'slug' in entry ? entry.slug : undefined;
  return typeof slug === 'string' && isSlug(slug) ? slug : `provider ${index + 1}`;
}

async function secretFrom(path: string): Promise<{ secret: string } | string> {
  try {
    const secret = (await textOf(path)).trim();
    return secret === '' ? `the file ${path} is empty` : { secret };
  } catch (error) {
    if (isSallyportError(error)) return error.message;
    throw error;
  }
}

async function textOf(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw invalid(`${path} can't be read (${error.code})`);
  });
}

function invalid(message: string): SallyportError {
  return new SallyportError('settings_invalid', message);
}
