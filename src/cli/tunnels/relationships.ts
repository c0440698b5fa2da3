/**
 * Services as programs read them: the JSON of PLATFORM_RELATIONSHIPS, and a URL for each. Host and port are those of this
 * machine. No password: Sallyport opens the way, who may log in there is the service's own business. Pure.
 */
import type { Tunnel, TunnelService } from './tunnel-state.ts';

export const localHost = '127.0.0.1';

interface Relationship {
  readonly host: string;
  readonly hostname: string;
  readonly ip: string;
  readonly port: number;
  readonly scheme: string;
  readonly username: string | null;
  readonly password: null;
  readonly path: string | null;
  readonly query: Readonly<Record<string, never>>;
  readonly fragment: null;
  readonly rel: string;
  readonly type: string;
  readonly service: string;
  readonly public: false;
}

/** By name, each a list of one. */
export function relationshipsOf(
  tunnels: readonly Tunnel[],
): Readonly<Record<string, readonly Relationship[]>> {
  const entries = openServices(tunnels).map((service) => [service.name, [relationship(service)]] as const);
  return Object.fromEntries(entries);
}

export function encoded(tunnels: readonly Tunnel[]): string {
  return Buffer.from(JSON.stringify(relationshipsOf(tunnels)), 'utf8').toString('base64');
}

export function openServices(tunnels: readonly Tunnel[]): readonly TunnelService[] {
  return tunnels.flatMap(({ services }) => services.filter(({ open }) => open));
}

/** RFC 3986; what a client of that kind takes. */
export function urlOf({ kind, login, database, local_port: port }: TunnelService): string {
  const user = login === null ? '' : `${encodeURIComponent(login)}@`;
  const path = database === null ? '' : `/${encodeURIComponent(database)}`;
  return `${urlSchemes.get(kind) ?? kind}://${user}${localHost}:${port}${path}`;
}

function relationship({ name, kind, login, database, local_port: port }: TunnelService): Relationship {
  return {
    host: localHost,
    hostname: localHost,
    ip: localHost,
    port,
    scheme: relationshipSchemes.get(kind) ?? urlSchemes.get(kind) ?? kind,
    username: login,
    password: null,
    path: database,
    query: {},
    fragment: null,
    rel: kind,
    type: kind,
    service: name,
    public: false,
  };
}

const urlSchemes: ReadonlyMap<string, string> = new Map([
  ['postgres', 'postgresql'],
  ['pgsql', 'postgresql'],
  ['mariadb', 'mysql'],
  ['oracle-mysql', 'mysql'],
  ['valkey', 'redis'],
  ['mongo', 'mongodb'],
  ['rabbitmq', 'amqp'],
  ['elasticsearch', 'http'],
  ['opensearch', 'http'],
  ['solr', 'http'],
  ['influxdb', 'http'],
]);

/** Platform.sh's own word for it. */
const relationshipSchemes: ReadonlyMap<string, string> = new Map([
  ['postgresql', 'pgsql'],
  ['postgres', 'pgsql'],
]);
