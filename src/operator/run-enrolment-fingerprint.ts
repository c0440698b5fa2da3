/** `sallyport enrolment-fingerprint NAME SHA256:...`: says which host key may enrol as a machine, without a token. */
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { registerFingerprint } from '../inventory/enrolment-by-key.ts';
import { withDatabase } from './with-database.ts';

export interface EnrolmentFingerprintParts {
  readonly name: string;
  readonly fingerprint: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly stdout: NodeJS.WritableStream;
}

/** @throws not_found, enrolment_refused, name_refused, name_taken, settings_invalid, database_unavailable */
export async function runEnrolmentFingerprint(parts: EnrolmentFingerprintParts): Promise<void> {
  const { name, fingerprint, environment, stdout } = parts;
  const kind = await withDatabase(environment, ({ db }) =>
    inTransaction(db, async (tx) => {
      const found = await tx
        .selectFrom('companions')
        .select(['id', 'kind'])
        .where('name', '=', name)
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      if (!found) {
        throw new SallyportError(
          'not_found',
          `There is no gateway or host named "${name}". The setup file or the inventory names it first.`,
        );
      }
      await registerFingerprint(tx, found.id, fingerprint);
      return found.kind;
    }),
  );
  stdout.write(
    `The machine with this host key may enrol as ${kind} ${name}, once: sallyport ${kind} install --server URL --with-host-key --name ${name}\n`,
  );
}
