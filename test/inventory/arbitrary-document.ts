/** Inventories of every shape: what they name is there, names are good, nothing clashes. */
import fc from 'fast-check';
import { type InventoryDocument, inventoryDocument } from '../../src/api/inventory-document.ts';

const slugs = ['a', 'b1', 'cart', 'web-2', 'x9'];
const some = <T>(from: readonly T[]) => fc.subarray([...from], { minLength: 0 });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const role = fc.constantFrom('viewer', 'contributor', 'admin');
const limit = fc.option(fc.integer({ min: 60, max: 86_400 }));
const port = fc.integer({ min: 1, max: 65_535 });
const address = fc.constantFrom('10.0.0.1', 'web.example.com', '2001:db8::1');
const login = fc.constantFrom('deploy', 'web', '_app');

const record = <T extends object>(model: { [Name in keyof T]: fc.Arbitrary<T[Name]> }) =>
  fc.record(model, { noNullPrototype: true }).map(present);
const oneEach = <T extends object>(item: fc.Arbitrary<T>, key: string, names: readonly string[] = slugs) =>
  some(names).chain((chosen) =>
    fc.tuple(...chosen.map((name) => item.map((one) => ({ [key]: name, ...one })))),
  );

function present<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}

const machine = {
  address,
  port: maybe(port),
  ports: maybe(fc.uniqueArray(port, { maxLength: 3 })),
  host_names: maybe(some(['ssh.example.com', 'gate.example.com'])),
  lease_max_seconds: maybe(fc.option(fc.integer({ min: 60, max: 14_400 }))),
};

/** @param hosts whose instances they may be */
const instance = (hosts: readonly string[]) =>
  record({
    address,
    login,
    port: maybe(port),
    host: maybe(fc.constantFrom(null, ...hosts)),
    state: maybe(fc.constantFrom('running', 'starting', 'stopped', 'paused', 'inactive')),
    kind: maybe(fc.constantFrom('instance', 'worker', 'task')),
    role: maybe(fc.constantFrom(null, 'db', 'queue')),
    labels: maybe(fc.dictionary(fc.constantFrom('zone', 'rack'), fc.constantFrom('a', 'Größe 2'))),
  });

const app = (hosts: readonly string[]) =>
  fc
    .tuple(
      record({
        ssh_enabled: maybe(fc.boolean()),
        ssh_role: maybe(role),
        folder: maybe(fc.constantFrom(null, '/srv/app')),
        env_file: maybe(fc.constantFrom(null, '/etc/app.env')),
        journal_unit: maybe(fc.constantFrom(null, 'app@web.service')),
        local_forwarding: maybe(fc.boolean()),
        agent_forwarding: maybe(fc.boolean()),
        instances: maybe(oneEach(instance(hosts), 'slug')),
      }),
      maybe(instance(hosts)),
    )
    .map(([one, only]) => ({
      ...one,
      // The app's only one, without a slug.
      ...(only && one.instances === undefined ? { instances: [only] } : {}),
    }));

const service = record({
  kind: fc.constantFrom('postgresql', 'redis'),
  address,
  port,
  role: maybe(role),
  enabled: maybe(fc.boolean()),
  login: maybe(fc.constantFrom(null, 'reader')),
  database: maybe(fc.constantFrom(null, 'shop')),
});

const environment = (gateways: readonly string[], hosts: readonly string[]) =>
  record({
    kind: fc.constantFrom('production', 'staging', 'development'),
    ssh_enabled: maybe(fc.boolean()),
    mfa_required: maybe(fc.boolean()),
    mfa_max_age_seconds: maybe(fc.option(fc.integer({ min: 1, max: 86_400 }))),
    mfa_enforcement: maybe(fc.constantFrom('start', 'continuous')),
    people_only: maybe(fc.boolean()),
    access: maybe(fc.constantFrom('relay', 'jump', 'both')),
    max_connection_seconds: maybe(limit),
    idle_timeout_seconds: maybe(limit),
    gateways: maybe(some(gateways)),
    services: maybe(oneEach(service, 'slug', ['db', 'cache'])),
    apps: maybe(oneEach(app(hosts), 'slug', ['web', 'api'])),
  });

const project = (gateways: readonly string[], hosts: readonly string[]) =>
  record({
    ssh_enabled: maybe(fc.boolean()),
    environments: maybe(oneEach(environment(gateways, hosts), 'slug', ['production', 'staging'])),
  });

const machineNames = { gateways: ['east', 'west'], hosts: ['h1', 'h2'] };

export function arbitraryDocument(organization: string): fc.Arbitrary<InventoryDocument> {
  const { gateways, hosts } = machineNames;
  return fc
    .record({
      gateways: fc.tuple(
        ...gateways.map((name) =>
          record({
            ...machine,
            login: maybe(fc.option(login)),
            source_address: maybe(fc.constant('192.0.2.1')),
          }).map((one) => ({ name, ...one })),
        ),
      ),
      hosts: fc.tuple(...hosts.map((name) => record(machine).map((one) => ({ name, ...one })))),
      projects: oneEach(project(gateways, hosts), 'slug', ['shop', 'blog', 'shop-x']),
      groups: some(['developers', 'Ops & friends']),
      role,
      ends: fc.constantFrom(undefined, '2030-01-01T00:00:00Z'),
      ssh: maybe(fc.boolean()),
      limit,
    })
    .map((drawn) => {
      const apps = drawn.projects.flatMap(({ slug: project, environments = [] }) =>
        environments.flatMap(({ slug: environment, apps = [] }) =>
          apps.map(({ slug }) => `${project}.${environment}.${slug}`),
        ),
      );
      const [first] = drawn.projects;
      return inventoryDocument.parse({
        organization: present({ slug: organization, ssh_enabled: drawn.ssh }),
        ...(drawn.ssh === undefined ? {} : { login_policy: { max_connection_seconds: drawn.limit } }),
        gateways: drawn.gateways,
        hosts: drawn.hosts.map((host, index) =>
          index === 0 ? { ...host, announces: apps.map((app) => ({ app, login: 'web' })) } : host,
        ),
        access_rules: [
          { group: 'admins', role: 'admin' },
          ...drawn.groups.map((group) =>
            present({ group, role: drawn.role, project: first?.['slug'], expires_at: drawn.ends }),
          ),
        ],
        projects: drawn.projects,
      });
    });
}
