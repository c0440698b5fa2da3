/**
 * What machines may not change of the inventory, whatever role they have: how people sign in, and who is an admin of the
 * whole organization. Else a token that leaked from a job could make its finder an admin who is a person.
 */
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { ItemChange } from '../inventory/apply-changes.ts';
import type { Item } from '../inventory/kinds/kind-store.ts';

/** @throws forbidden */
export async function requirePersonFor(
  tx: Tx,
  { sessionId }: { readonly sessionId: string },
  changes: readonly ItemChange[],
): Promise<void> {
  if (!changes.some(({ before, after }) => isPersonOnly(after ?? before))) return;
  const session = await tx
    .selectFrom('login_sessions')
    .select('kind')
    .where('id', '=', sessionId)
    .executeTakeFirst();
  if (session?.kind === 'helper' || session?.kind === 'browser') return;
  throw new SallyportError(
    'forbidden',
    'API tokens and CI jobs may not change how people sign in, nor who is an admin of the organization; a person has to, and nothing was done. Log in as one: sally login',
  );
}

function isPersonOnly(item: Item | null): boolean {
  if (item?.kind === 'login_policy') return true;
  if (item?.kind !== 'access_rule') return false;
  const { role, project } = item.members as Item<'access_rule'>['members'];
  return role === 'admin' && project === null;
}
