/**
 * Starts everything on this machine: the database, the local identity provider, the CA with its console, and,
 * where OpenSSH's server is installed, a gateway and a target with their companions. All on loopback.
 */
import { createServer } from 'node:net';
import type { DatabaseHandle } from '../database/database.ts';
import { migrateToLatest } from '../database/migrate.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import type { Log } from '../gateway/log.ts';
import type { LogSettings } from '../http/request-log.ts';
import { createEnrolmentToken } from '../inventory/enrolment.ts';
import { applySetup } from '../operator/apply-setup.ts';
import { createServerKeys, openServerKeys } from '../server/keys-folder.ts';
import { startServer } from '../server/start-server.ts';
import { type DataFolder, openDataFolder } from './data-folder.ts';
import { demoGateway, demoHost, demoInventory } from './demo-inventory.ts';
import {
  type DemoMachine,
  type LoginMode,
  loginMode,
  startDemoMachine,
  whyNoMachines,
} from './demo-machine.ts';
import { type DemoPeople, openDemoPeople } from './demo-people.ts';
import { demoProvider } from './demo-provider.ts';
import { startIdentityProvider } from './identity-provider.ts';

export interface DevParts {
  readonly dataFolder: string;
  /** Opens the database; `folder` is where one in this process keeps its files. */
  readonly openDatabase: (folder: string) => Promise<DatabaseHandle>;
  readonly publicUrl: URL;
  readonly ports: DevPorts;
  /** no: neither gateway nor target, whatever is installed; required: program_missing if they can't be. */
  readonly ssh: 'no' | 'if-installed' | 'required';
  readonly logger: LogSettings;
  readonly machineLog: Log;
}

export interface DevPorts {
  readonly console: number;
  readonly identityProvider: number;
  readonly gateway: number;
  readonly target: number;
}

export interface RunningDev {
  readonly publicUrl: URL;
  readonly issuer: string;
  readonly ports: DevPorts;
  readonly people: DemoPeople;
  /** Everybody logs in at the machines as this user; undefined: as target and service names say. */
  readonly login: string | undefined;
  readonly machines: { readonly gateway: DemoMachine; readonly target: DemoMachine } | undefined;
  /** Why there is no gateway; undefined if there is one. */
  readonly withoutSsh: string | undefined;
  readonly database: DatabaseHandle;
  stop(): Promise<void>;
}

const clock = () => new Date();
const enrolmentSeconds = 300;

/** @throws in_use if the data folder or a port is taken */
export async function startDev(parts: DevParts): Promise<RunningDev> {
  const { publicUrl, ports } = parts;
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    const folder = await openDataFolder(parts.dataFolder);
    stops.push(async () => folder.release());
    await requireFreePorts(ports, parts.ssh !== 'no');

    const people = await openDemoPeople(folder.people);
    await createServerKeys(folder.keys);
    const database = await parts.openDatabase(folder.database);
    stops.push(() => database.close());
    await migrateToLatest(database.db);
    const found = loginMode();
    const hindrance = whyNoMachines(found);
    const mode: LoginMode = hindrance === undefined ? found : { kind: 'generated-names' };
    const companionIds = await inTransaction(database.db, (tx) =>
      applySetup(tx, demoInventory(ports, mode, people.isNew)),
    );

    const keys = await openServerKeys(folder.keys);
    const redirectUri = new URL('/login/callback', publicUrl).href;
    const client = { clientId: 'sallyport', clientSecret: people.clientSecret, redirectUris: [redirectUri] };
    const identityProvider = await startIdentityProvider({
      host: '127.0.0.1',
      port: ports.identityProvider,
      clients: [client],
      people: people.people,
      clock,
    });
    stops.push(() => identityProvider.close());

    const server = await startServer({
      database,
      keys,
      publicUrl,
      // Browsers look for `localhost` at [::1] first: left free, any user of the machine could answer there for us.
      listen: { host: '127.0.0.1', port: ports.console, alsoHost: '::1' },
      identityProviders: [demoProvider(identityProvider.issuer, client)],
      acceptDemoIdentityProvider: true,
      trustedProxies: [],
      operators: [],
      logger: parts.logger,
      clock,
    });
    stops.push(() => server.close());

    const enrolmentToken = (name: string) => () =>
      inTransaction(database.db, (tx) =>
        createEnrolmentToken(tx, companionIds.get(name) ?? '', {
          now: clock(),
          lifetimeSeconds: enrolmentSeconds,
        }),
      );
    const started =
      hindrance === undefined || parts.ssh === 'no'
        ? await startMachines(parts, folder, mode, enrolmentToken)
        : withoutMachines(parts, hindrance);
    const { machines } = started;
    if (machines) stops.push(machines.target.stop, machines.gateway.stop);
    const login = mode.kind === 'own-login' ? mode.login : undefined;
    return { publicUrl, issuer: identityProvider.issuer, ports, people, login, database, stop, ...started };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Machines = Pick<RunningDev, 'machines' | 'withoutSsh'>;

function withoutMachines({ ssh }: DevParts, hindrance: string): Machines {
  if (ssh === 'required')
    throw new SallyportError('program_missing', `No gateway and no target: ${hindrance}`);
  return { machines: undefined, withoutSsh: hindrance };
}

async function startMachines(
  parts: DevParts,
  folder: DataFolder,
  mode: LoginMode,
  enrolmentToken: (name: string) => () => Promise<string>,
): Promise<Machines> {
  if (parts.ssh === 'no') return { machines: undefined, withoutSsh: 'it was started with --no-ssh' };
  const serverUrl = parts.publicUrl.origin;
  const common = { serverUrl, mode, log: parts.machineLog };
  try {
    const target = await startDemoMachine({
      ...common,
      kind: 'host',
      folder: folder.target,
      port: parts.ports.target,
      enrolmentToken: enrolmentToken(demoHost),
    });
    try {
      const gateway = await startDemoMachine({
        ...common,
        kind: 'gateway',
        folder: folder.gateway,
        port: parts.ports.gateway,
        enrolmentToken: enrolmentToken(demoGateway),
      });
      return { machines: { gateway, target }, withoutSsh: undefined };
    } catch (error) {
      await target.stop();
      throw error;
    }
  } catch (error) {
    if (parts.ssh === 'required' || !isSallyportError(error) || error.code !== 'program_missing') throw error;
    return { machines: undefined, withoutSsh: error.message };
  }
}

async function requireFreePorts(ports: DevPorts, ssh: boolean): Promise<void> {
  const wanted = ssh ? Object.values(ports) : [ports.console, ports.identityProvider];
  for (const port of wanted) {
    if (await isFree(port)) continue;
    throw new SallyportError(
      'in_use',
      `Port ${port} on this machine is in use, perhaps by another npm start. Stop what listens there, or choose other ports: npm start -- --port 9420`,
    );
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ host: '127.0.0.1', port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/** Four free ports on loopback, held open together so that they differ. */
export async function freePorts(): Promise<DevPorts> {
  const probes = await Promise.all(
    Array.from({ length: 4 }, () => {
      const probe = createServer();
      return new Promise<typeof probe>((resolve, reject) => {
        probe.once('error', reject);
        probe.listen({ host: '127.0.0.1', port: 0 }, () => resolve(probe));
      });
    }),
  );
  const [console = 0, identityProvider = 0, gateway = 0, target = 0] = probes.map((probe) => {
    const address = probe.address();
    return typeof address === 'object' && address ? address.port : 0;
  });
  await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))));
  return { console, identityProvider, gateway, target };
}
