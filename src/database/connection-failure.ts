/** Which errors of the driver mean that the database can't be used right now, as opposed to a statement that is wrong. */
import { SallyportError } from '../errors/sallyport-error.ts';

/** SQLSTATEs (PostgreSQL manual, appendix A), whole classes by their first two characters. */
const unavailableClasses = new Set(['08', '53', '57', '58']);
const unavailableStates = new Set([
  '25006', // read_only_sql_transaction: a replica, or a primary that lost its place
  '28000', // invalid_authorization_specification
  '28P01', // invalid_password
  '3D000', // invalid_catalog_name: no such database
  '55P03', // lock_not_available: lock_timeout
]);
const systemCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'EACCES',
]);
/** pg reports these without a code. */
const driverMessages =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Client has encountered a connection error|Client was closed|Query read timeout|Connection error)/;

/** True if the database is away: it could not be reached, went away, or takes no more work. */
export function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string') return driverMessages.test(error.message);
  if (systemCodes.has(code)) return true;
  return code.length === 5 && (unavailableClasses.has(code.slice(0, 2)) || unavailableStates.has(code));
}

/** What to throw for an error of a query: a connection failure becomes `database_unavailable`, all else stays as it is. */
export function asDatabaseError(error: unknown): unknown {
  return isConnectionFailure(error) ? databaseUnavailable(error) : error;
}

/** The driver gives its own errors of SCRAM no code: no password, or a server that does not know it. */
const notLetIn =
  'Postgres does not let this user in. If you run this server: check the user and the password in DATABASE_URL, ' +
  'and pg_hba.conf.';

/** What to say where it is known better than "does not answer". */
const explanations: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  [
    '53100', // disk_full
    "The database's disk is full: nothing can be recorded, so nothing is given out. " +
      'If you run this server: make room for Postgres.',
  ],
  ...['28000', '28P01', 'SASL'].map((state) => [state, notLetIn] as const),
  [
    '3D000', // invalid_catalog_name
    'Postgres is up but has no database of this name. If you run this server: create it, or mend DATABASE_URL.',
  ],
  [
    '25006', // read_only_sql_transaction
    'The database takes no writes now, as during a failover. Try again in a moment. ' +
      'If you run this server: check that DATABASE_URL leads to the primary.',
  ],
]);

/** For errors while connecting, whatever they are. The driver's text goes into the log's detail only: it names hosts. */
export function databaseUnavailable(error: unknown): SallyportError {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return new SallyportError(
    'database_unavailable',
    explanations.get(typeof message === 'string' && message.startsWith('SASL: ') ? 'SASL' : code) ??
      'The database does not answer. Try again in a moment. ' +
        'If you run this server: check that Postgres is up and that DATABASE_URL is right.',
    { detail: `${code ?? 'no code'}: ${message}`, cause: error },
  );
}
