/** `sallyport break-glass ACCOUNT`: makes somebody an admin of their organization for a while, in an emergency. */
import { inTransaction } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { breakGlass } from '../inventory/break-glass.ts';
import { withDatabase } from './with-database.ts';

export interface BreakGlassParts {
  readonly account: string;
  /** `--for`: such as 30m or 1h. */
  readonly duration: string;
  readonly reason: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly stdout: NodeJS.WritableStream;
  readonly clock: () => Date;
}

/** @throws not_found, settings_invalid, database_unavailable */
export async function runBreakGlass(parts: BreakGlassParts): Promise<void> {
  const { account, duration, reason, environment, stdout, clock } = parts;
  const seconds = secondsOf(duration);
  const { organization, expiresAt } = await withDatabase(environment, ({ db }) =>
    inTransaction(db, (tx) => breakGlass(tx, { account, seconds, reason }, clock())),
  );
  stdout.write(
    `${account} is an admin of ${organization} until ${expiresAt.toISOString()}. Everything done with that is in the ` +
      'audit log and raises an alarm; the console shows it to every admin.\n',
  );
}

/** @throws settings_invalid */
function secondsOf(duration: string): number {
  const [, count, unit] = /^([1-9][0-9]{0,3})(m|h)$/.exec(duration) ?? [];
  if (count !== undefined) return Number(count) * (unit === 'h' ? 3600 : 60);
  throw new SallyportError(
    'settings_invalid',
    `--for ${duration}: expected minutes or hours, such as 30m or 1h.`,
  );
}
