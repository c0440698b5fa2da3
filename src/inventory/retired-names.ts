/** Names that are gone for good: rules, records and people's habits still mean what they stood for. */
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface RetirableName {
  readonly kind: 'project' | 'environment' | 'app' | 'service';
  /** Id of the organization, project or environment that held it. */
  readonly holderId: string;
  readonly slug: string;
}

const scopeOf = ({ kind, holderId }: RetirableName) => `${kind}:${holderId}`;

export async function retireName(tx: Tx, name: RetirableName, now: Date): Promise<void> {
  await tx
    .insertInto('retired_names')
    .values({ scope: scopeOf(name), name: name.slug, retired_at: now })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** @throws name_taken */
export async function refuseRetiredName(tx: Tx, name: RetirableName): Promise<void> {
  const found = await tx
    .selectFrom('retired_names')
    .select('retired_at')
    .where('scope', '=', scopeOf(name))
    .where('name', '=', name.slug)
    .executeTakeFirst();
  if (found === undefined) return;
  const { kind, slug } = name;
  throw new SallyportError(
    'name_taken',
    `There was ${kind === 'app' || kind === 'environment' ? 'an' : 'a'} ${kind} "${slug}" here, which was removed on ` +
      `${found.retired_at.toISOString().slice(0, 10)}. Such names are never given again, since records and habits still mean the old one. Choose another.`,
  );
}
