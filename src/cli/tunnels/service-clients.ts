/**
 * Which program speaks with a service, and how it is told where: never with a password in its arguments, which everybody on the
 * machine can read, and with nothing that its name or its database could turn into an option. Pure.
 */
import { localHost } from './relationships.ts';
import type { TunnelService } from './tunnel-state.ts';

export interface ServiceClient {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Where the program is from, for who does not have it. */
  readonly from: string;
}

type ClientOf = (service: TunnelService) => ServiceClient;

/** Undefined if nobody knows a client for it. */
export function clientOf(service: TunnelService): ServiceClient | undefined {
  return clients.get(service.kind)?.(service);
}

const psql: ClientOf = ({ local_port, login, database }) => ({
  program: 'psql',
  // Said here, because a PGSERVICE of the person's would count before what the environment says.
  args: [`--host=${localHost}`, `--port=${local_port}`, ...(login === null ? [] : [`--username=${login}`])],
  // As an argument a database called "host=..." would be settings (libpq, section "Connection Strings").
  environment: {
    PGHOSTADDR: localHost,
    ...(database !== null && { PGDATABASE: database }),
  },
  from: 'postgresql-client',
});

const mysqlLike =
  (program: string, from: string): ClientOf =>
  ({ local_port, login, database }) => ({
    program,
    args: [
      `--host=${localHost}`,
      `--port=${local_port}`,
      '--protocol=TCP',
      ...(login === null ? [] : [`--user=${login}`]),
      ...(database === null ? [] : [`--database=${database}`]),
    ],
    from,
  });

const redisLike =
  (program: string, from: string): ClientOf =>
  ({ local_port, login, database }) => ({
    program,
    args: [
      ...['-h', localHost, '-p', String(local_port)],
      ...(login === null ? [] : ['--user', login, '--askpass']),
      ...(database !== null && /^[0-9]{1,4}$/.test(database) ? ['-n', database] : []),
    ],
    from,
  });

const mongosh: ClientOf = ({ local_port, login, database }) => {
  const user = login === null ? '' : `${encodeURIComponent(login)}@`;
  const path = database === null ? '' : encodeURIComponent(database);
  return {
    program: 'mongosh',
    args: [`mongodb://${user}${localHost}:${local_port}/${path}?directConnection=true`],
    from: 'mongodb-mongosh, from MongoDB itself',
  };
};

const clickhouse: ClientOf = ({ local_port, login, database }) => ({
  program: 'clickhouse-client',
  args: [
    ...[`--host=${localHost}`, `--port=${local_port}`],
    ...(login === null ? [] : [`--user=${login}`]),
    ...(database === null ? [] : [`--database=${database}`]),
  ],
  from: 'clickhouse-client, from ClickHouse itself',
});

const clients: ReadonlyMap<string, ClientOf> = new Map([
  ['postgresql', psql],
  ['postgres', psql],
  ['pgsql', psql],
  ['mysql', mysqlLike('mysql', 'default-mysql-client')],
  ['mariadb', mysqlLike('mariadb', 'mariadb-client')],
  ['redis', redisLike('redis-cli', 'redis-tools')],
  ['valkey', redisLike('valkey-cli', 'valkey-tools')],
  ['mongodb', mongosh],
  ['mongo', mongosh],
  ['clickhouse', clickhouse],
]);
