/**
 * Whether logins by an identity provider count at the moment of their end: minutes after the provider's reply, if a passkey
 * or somebody's consent came between. Whoever removes the provider and whoever starts a session by it take one lock, so
 * that the session finds the provider gone, or is found by whoever ends those that came by it.
 */
import { sql } from 'kysely';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

/** Before anything else is locked that both want. Logins share it, and wait behind a removal that waits. */
async function lock(tx: Tx, slug: string, how: 'shared' | 'alone'): Promise<void> {
  const key = sql`hashtextextended(${JSON.stringify(['sallyport provider', slug])}, 0)`;
  await (how === 'shared'
    ? sql`select pg_advisory_xact_lock_shared(${key})`
    : sql`select pg_advisory_xact_lock(${key})`
  ).execute(tx);
}

export async function lockForRemoval(tx: Tx, slug: string): Promise<void> {
  await lock(tx, slug, 'alone');
}

/** Those of the configuration are in use as long as the server runs. @throws login_rejected */
export async function requireInUse(tx: Tx, slug: string): Promise<void> {
  await lock(tx, slug, 'shared');
  const gone = await tx
    .selectFrom('identity_providers')
    .leftJoin('configured_provider_slugs', 'configured_provider_slugs.slug', 'identity_providers.slug')
    .select('identity_providers.slug')
    .where('identity_providers.slug', '=', slug)
    .where('configured_provider_slugs.slug', 'is', null)
    .where((where) => where.or([where('removed_at', 'is not', null), where('enabled', '=', false)]))
    .executeTakeFirst();
  if (gone === undefined) return;
  throw new SallyportError(
    'login_rejected',
    'The identity provider that you logged in at was switched off meanwhile. Ask an admin of your organization.',
    { detail: `provider ${slug}` },
  );
}
