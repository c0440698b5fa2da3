/**
 * Identity providers as an admin sets them up: for the own organization only. The client secret is sealed and never shown
 * again. A slug is part of a redirect URI that providers know, so one that was used stays used.
 */
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { Sealer } from '../secrets/seal.ts';
import { endSessionsOfProvider } from '../sessions/end-sessions.ts';
import { isSlug } from '../ssh/names.ts';
import { collidingPrefixes } from './colliding-prefixes.ts';
import { type ConfiguredProvider, defaultProviderSlug } from './configured-providers.ts';
import { lockForRemoval } from './provider-in-use.ts';
import { documentOf, type ProviderSettings, parseProviderSettings } from './provider-settings.ts';
import {
  clientSecretContext,
  isReservedSlug,
  type StoredProvider,
  storedProvider,
  storedProviders,
} from './provider-store.ts';

export interface ManagingParts {
  readonly sealer: Sealer;
  readonly configured: readonly Pick<ConfiguredProvider, 'slug' | 'settings'>[];
}

export interface Manager {
  readonly organizationId: string;
  /** Its slug. */
  readonly organization: string;
  /** The admin's account name. */
  readonly by: string;
}

export interface NewProvider {
  readonly slug: string;
  /** A document of provider-settings.ts; its organization may be left out. */
  readonly settings: unknown;
  readonly clientSecret: string;
  readonly enabled: boolean;
}

export interface ProviderChange {
  readonly slug: string;
  /** Of the version that the admin saw: somebody else may have changed it since. */
  readonly version: number;
  readonly settings?: unknown;
  readonly clientSecret?: string;
  readonly enabled?: boolean;
}

/** @throws name_refused, name_taken, request_malformed naming each field */
export async function createProvider(
  tx: Tx,
  parts: ManagingParts,
  manager: Manager,
  { slug, settings: document, clientSecret, enabled }: NewProvider,
  now: Date,
): Promise<StoredProvider> {
  const { organizationId, by } = manager;
  if (!isSlug(slug) || slug === defaultProviderSlug) {
    throw new SallyportError(
      'name_refused',
      'The name of an identity provider must be at most 40 characters of a-z 0-9 and - between them, and not "default".',
    );
  }
  await lockOrganization(tx, organizationId);
  const settings = settingsFrom(document, manager);
  const isConfigured =
    parts.configured.some((each) => each.slug === slug) || (await isReservedSlug(tx, slug));
  const created = isConfigured
    ? undefined
    : await tx
        .insertInto('identity_providers')
        .values({
          slug,
          organization_id: organizationId,
          settings: JSON.stringify(documentOf(settings)),
          client_secret: parts.sealer.seal(clientSecret, clientSecretContext(slug)),
          enabled,
          created_at: now,
        })
        .onConflict((conflict) => conflict.column('slug').doNothing())
        .returning('slug')
        .executeTakeFirst();
  if (created === undefined) {
    throw new SallyportError(
      'name_taken',
      `The name ${slug} is used already, or was once. Choose another one.`,
    );
  }
  await requireOwnGroups(tx, parts, { slug, settings, enabled });
  await recordEvent(tx, {
    event: 'identity_provider.created',
    organizationId,
    facts: { slug, by, settings: documentOf(settings) },
  });
  return await ownProvider(tx, slug, organizationId);
}

/** From its commit on every server process uses the new settings. @throws not_found, state_older, request_malformed */
export async function changeProvider(
  tx: Tx,
  parts: ManagingParts,
  manager: Manager,
  { slug, version, settings: document, clientSecret, enabled: wanted }: ProviderChange,
): Promise<StoredProvider> {
  const { organizationId, by } = manager;
  await lockOrganization(tx, organizationId);
  const before = await ownProvider(tx, slug, organizationId);
  if (before.version !== version) {
    throw new SallyportError(
      'state_older',
      `Somebody else changed the identity provider ${slug} meanwhile. Look at it again, then make your change.`,
    );
  }
  const settings = document === undefined ? before.settings : settingsFrom(document, manager);
  const enabled = wanted ?? before.enabled;
  if (settings.issuer !== before.settings.issuer) {
    throw malformed(
      'issuer: an identity provider with another issuer is another one, whose people are others. Set up a new one and ' +
        'remove this one',
    );
  }
  await requireOwnGroups(tx, parts, { slug, settings, enabled });
  await tx
    .updateTable('identity_providers')
    .set((update) => ({
      settings: JSON.stringify(documentOf(settings)),
      enabled,
      version: update('version', '+', 1),
      ...(clientSecret === undefined
        ? {}
        : { client_secret: parts.sealer.seal(clientSecret, clientSecretContext(slug)) }),
    }))
    .where('slug', '=', slug)
    .execute();
  await recordEvent(tx, {
    event: 'identity_provider.changed',
    organizationId,
    facts: {
      slug,
      by,
      before: { enabled: before.enabled, ...documentOf(before.settings) },
      after: { enabled, ...documentOf(settings) },
      secret_changed: clientSecret !== undefined,
    },
  });
  return await ownProvider(tx, slug, organizationId);
}

/** Logins with it end at once, and with them every session that came by it. The secret is forgotten. @throws not_found */
export async function removeProvider(
  tx: Tx,
  { organizationId, by }: Manager,
  slug: string,
  now: Date,
): Promise<void> {
  await lockForRemoval(tx, slug);
  await lockOrganization(tx, organizationId);
  // Without reading its settings: one whose settings can't be read has to go too.
  const { numUpdatedRows } = await tx
    .updateTable('identity_providers')
    .set((update) => ({
      removed_at: now,
      enabled: false,
      client_secret: null,
      version: update('version', '+', 1),
    }))
    .where('slug', '=', slug)
    .where('organization_id', '=', organizationId)
    .where('removed_at', 'is', null)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows === 0n) throw notOwn();
  await recordEvent(tx, { event: 'identity_provider.removed', organizationId, facts: { slug, by } });
  await endSessionsOfProvider(tx, { providerSlug: slug, reason: 'provider_removed', by }, now);
}

/** One that another organization set up is as unknown as one that never was. @throws not_found */
export async function ownProvider(tx: Tx, slug: string, organizationId: string): Promise<StoredProvider> {
  const found = await storedProvider(tx, slug);
  if (found?.organizationId === organizationId) return found;
  throw notOwn();
}

function notOwn(): SallyportError {
  return new SallyportError('not_found', 'There is no such identity provider that could be changed here.');
}

/** Two changes at a time could each be fine and together not. */
async function lockOrganization(tx: Tx, organizationId: string): Promise<void> {
  await tx.selectFrom('organizations').select('id').where('id', '=', organizationId).forUpdate().execute();
}

function settingsFrom(document: unknown, { organization }: Manager): ProviderSettings {
  const given = typeof document === 'object' && document !== null ? document : {};
  const { settings, problems } = parseProviderSettings({ organization, ...given });
  if (settings === null) {
    throw malformed(problems.map(({ at, message }) => `${at || 'settings'}: ${message}`).join('; '));
  }
  if (settings.organization !== organization) {
    throw malformed(`organization: must be ${organization}, yours, or be left out`);
  }
  return settings;
}

async function requireOwnGroups(
  tx: Tx,
  { configured }: ManagingParts,
  { slug, settings, enabled }: Pick<StoredProvider, 'slug' | 'settings' | 'enabled'>,
): Promise<void> {
  if (!enabled) return;
  const stored = (await storedProviders(tx)).filter((other) => other.enabled && other.slug !== slug);
  const [problem] = collidingPrefixes([{ slug, settings }, ...configured, ...stored]).filter((each) =>
    each.startsWith(`${slug} and `),
  );
  if (problem !== undefined) throw malformed(`groups.prefix: ${problem}`);
}

function malformed(problems: string): SallyportError {
  return new SallyportError(
    'request_malformed',
    `The settings of the identity provider need attention. ${problems}`,
  );
}
