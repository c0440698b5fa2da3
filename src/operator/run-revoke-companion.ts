/** `sallyport revoke-companion NAME`: ends a gateway or host for good. */
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { revokeCompanion } from '../inventory/revoke-companion.ts';
import { withDatabase } from './with-database.ts';

export interface RevokeCompanionParts {
  readonly name: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly stdout: NodeJS.WritableStream;
  readonly clock: () => Date;
}

/** @throws not_found, settings_invalid, database_unavailable */
export async function runRevokeCompanion(parts: RevokeCompanionParts): Promise<void> {
  const { name, environment, stdout, clock } = parts;
  const kind = await withDatabase(environment, ({ db }) =>
    inTransaction(db, async (tx) => {
      const found = await tx
        .selectFrom('companions')
        .select(['id', 'kind'])
        .where('name', '=', name)
        .executeTakeFirst();
      if (!found) throw new SallyportError('not_found', `There is no gateway or host named "${name}".`);
      await revokeCompanion(tx, { companionId: found.id, by: 'operator' }, clock());
      return found.kind;
    }),
  );
  stdout.write(
    `The ${kind} ${name} is revoked: its credential and its host certificates are worth nothing. ` +
      'People logged in through it stay until their sessions end.\n',
  );
}
