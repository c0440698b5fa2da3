/** Identity providers that admins set up in the console. */
import type { Database } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { type ProviderSettings, parseProviderSettings } from './provider-settings.ts';

export interface StoredProvider {
  readonly slug: string;
  readonly organizationId: string;
  readonly settings: ProviderSettings;
  /** Sealed for `clientSecretContext(slug)`. */
  readonly clientSecret: Buffer;
  readonly enabled: boolean;
  /** Grows with every change. */
  readonly version: number;
}

export function clientSecretContext(slug: string): string {
  return `identity_providers.client_secret/${slug}`;
}

/** Settings that this version of the server can't read: of another version, or edited by hand. */
export interface UnreadableProvider {
  readonly slug: string;
  readonly detail: string;
}

/** Those that were not removed, by slug; disabled ones too. One that can't be read is passed over: it is nobody else's. */
export async function storedProviders(
  db: Database,
  onUnreadable: (provider: UnreadableProvider) => void = () => undefined,
): Promise<StoredProvider[]> {
  const rows = await query(db).orderBy('slug').execute();
  return rows.flatMap((row) => {
    const provider = fromRow(row);
    if (!('detail' in provider)) return [provider];
    onUnreadable(provider);
    return [];
  });
}

/** Undefined if there is none or it was removed; a disabled one is found. @throws internal if it can't be read */
export async function storedProvider(db: Database, slug: string): Promise<StoredProvider | undefined> {
  const row = await query(db).where('slug', '=', slug).executeTakeFirst();
  const provider = row && fromRow(row);
  if (provider === undefined || !('detail' in provider)) return provider;
  throw new SallyportError('internal', 'Stored settings of an identity provider can not be read.', {
    detail: `${provider.slug}: ${provider.detail}`,
  });
}

type Row = Awaited<ReturnType<ReturnType<typeof query>['execute']>>[number];

function query(db: Database) {
  return db
    .selectFrom('identity_providers')
    .select(['slug', 'organization_id', 'settings', 'client_secret', 'enabled', 'version'])
    .where('removed_at', 'is', null);
}

function fromRow(row: Row): StoredProvider | UnreadableProvider {
  const { settings, problems } = parseProviderSettings(row.settings);
  if (settings === null || row.client_secret === null) {
    const detail = problems?.map(({ at, message }) => `${at} ${message}`).join('; ') ?? 'no secret';
    return { slug: row.slug, detail };
  }
  return {
    slug: row.slug,
    organizationId: row.organization_id,
    settings,
    clientSecret: row.client_secret,
    enabled: row.enabled,
    version: row.version,
  };
}

/** Keeps the slugs of configured providers from ever being another's: providers know redirect URIs with them. */
export async function reserveSlugs(
  db: Database,
  configured: readonly { readonly slug: string }[],
): Promise<void> {
  if (configured.length === 0) return;
  await db
    .insertInto('configured_provider_slugs')
    .values(configured.map(({ slug }) => ({ slug })))
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function isReservedSlug(db: Database, slug: string): Promise<boolean> {
  const found = await db
    .selectFrom('configured_provider_slugs')
    .select('slug')
    .where('slug', '=', slug)
    .executeTakeFirst();
  return found !== undefined;
}
