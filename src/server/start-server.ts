/** One server process, put together: database, CA, login, authorization server, feed, HTTP and console. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { createCertificateAuthority } from '../ca/certificate-authority.ts';
import type { IssuingAlarm } from '../ca/issuing-alarm.ts';
import { requireIssuingAllowed } from '../ca/issuing-allowed.ts';
import { firstSigners } from '../ca/key-files.ts';
import { budgetMessage } from '../ca/krl-budget.ts';
import { consolePlugin } from '../console/console-plugin.ts';
import { createTokenIssuers } from '../credentials/token-issuers.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { createFeed } from '../feed/feed.ts';
import type { AppParts } from '../http/app-parts.ts';
import { createApp } from '../http/create-app.ts';
import type { LogSettings } from '../http/request-log.ts';
import type { ListedRoute } from '../http/route-authentication.ts';
import type { ConfiguredProvider } from '../login/configured-providers.ts';
import { createIdentityProviders } from '../login/identity-providers.ts';
import { createLoginFlow } from '../login/login-flow.ts';
import { reserveSlugs } from '../login/provider-store.ts';
import { createAuthorizationServer } from '../oauth/authorization-server.ts';
import { createGuardedFetch } from '../outbound/guarded-fetch.ts';
import type { WeakKeyList } from '../ssh/weak-key-list.ts';
import { discoverAll, warnOfHiddenProviders } from './check-providers.ts';
import type { ServerKeys } from './keys-folder.ts';
import { startSweeps } from './sweeps.ts';
import { version } from './version.ts';

export interface ServerParts {
  readonly database: DatabaseHandle;
  readonly keys: ServerKeys;
  readonly publicUrl: URL;
  /** Public keys that nobody may have certified; none if it is left out. */
  readonly weakKeys?: WeakKeyList;
  readonly listen: Listen;
  readonly identityProviders: readonly ConfiguredProvider[];
  /** Networks in which providers that admins set up may be; default: none that are not public. */
  readonly privateProviderNetworks?: readonly string[];
  /** The demo's identity provider shows everybody's one-time codes: only `sallyport dev` may use it. */
  readonly acceptDemoIdentityProvider: boolean;
  readonly trustedProxies: readonly string[];
  readonly proxyHops?: number;
  /** Accounts that may change CA keys through the API. */
  readonly operators: readonly string[];
  /** The signed description of the newest sally; absent: there is none here. */
  readonly readRelease?: () => Promise<string>;
  readonly logger: LogSettings;
  readonly clock: () => Date;
}

export interface Listen {
  readonly host: string;
  readonly port: number;
  /** Where else, at the same port, if the machine has that address. Nobody else can listen there then. */
  readonly alsoHost?: string;
}

export interface RunningServer {
  /** Every route with its authentication. */
  readonly routes: readonly ListedRoute[];
  close(): Promise<void>;
}

/** Listens when it returns. @throws in_use if the address is taken; settings_invalid if a key is not the one in use */
export async function startServer(parts: ServerParts): Promise<RunningServer> {
  const { database, keys, publicUrl, weakKeys, clock } = parts;
  let logAlarm = (_alarm: IssuingAlarm): void => {};
  let logError = (_error: unknown, _what: string): void => {};
  let logWarning = (_facts: object, _message: string): void => {};
  const authority = await createCertificateAuthority({
    database,
    openSigner: keys.openSigner,
    firstSigners,
    domain: publicUrl.hostname,
    publicOrigin: publicUrl.origin,
    clock,
    ...(weakKeys && { weakKeys }),
    onProblem: (error) => logError(error, 'a CA key can not be used'),
    onAlarm: (alarm) => logAlarm(alarm),
    onKrlBudgetCrossed: (krl) => logWarning({ krl }, budgetMessage(krl)),
  });
  const { identityProviders: configuredProviders } = parts;
  const { sealer } = keys;
  const providers = createIdentityProviders({
    database,
    sealer,
    configured: configuredProviders,
    publicUrl,
    clock,
    acceptDemo: parts.acceptDemoIdentityProvider,
    privateNetworks: parts.privateProviderNetworks ?? [],
    onUnreadable: (provider) =>
      logWarning(
        provider,
        'the stored settings of an identity provider can not be read: nobody logs in by it',
      ),
  });
  const loginHandlers: AppParts['loginHandlers'] = new Map();
  const loginFlow = createLoginFlow({
    database,
    providers,
    publicUrl,
    clock,
    sealer,
    handlers: loginHandlers,
  });
  const authorizationServer = await createAuthorizationServer({
    database,
    publicUrl,
    providers,
    loginFlow,
    loginHandlers,
    tokenIssuers: createTokenIssuers(
      createGuardedFetch({
        privateNetworks: parts.privateProviderNetworks ?? [],
        // As CI rules are checked: a server on loopback takes issuers there.
        allowInsecureLoopback: publicUrl.protocol === 'http:',
      }),
      clock,
    ),
    sealer,
    ...keys.oauth,
    clock,
    onServerError: (error) => logError(error, 'authorization server'),
    onProviderOutage: (outage) => logWarning(outage, 'an identity provider does not answer'),
  });
  const feed = await createFeed({
    database,
    authority,
    publicUrl,
    clock,
    onError: (error, companionId) => logError(error, `no state for companion ${companionId}`),
    onKrlExcess: (companion, excess_bytes) =>
      logWarning({ companion, excess_bytes }, 'the revocation list of a machine crossed its budget'),
  });
  const app = await createApp({
    database,
    authority,
    authorizationServer,
    feed,
    providers,
    configuredProviders,
    loginFlow,
    loginHandlers,
    sealer,
    publicUrl,
    allowedHosts: [publicUrl.host],
    trustedProxies: parts.trustedProxies,
    ...(parts.proxyHops === undefined ? {} : { proxyHops: parts.proxyHops }),
    operators: parts.operators,
    ...(parts.readRelease && { readRelease: parts.readRelease }),
    keyFiles: keys,
    clock,
    logger: parts.logger,
    version,
  });
  logError = (err, what) => app.log.error({ err }, what);
  logAlarm = (alarm) => app.log.fatal(alarm, alarm.alarm.replace('_', ' '));
  logWarning = (facts, message) => app.log.warn(facts, message);
  // It serves all the same: people see why, admins can still revoke, and `sallyport recover` needs no restart.
  await requireIssuingAllowed(database.db).catch((error) => logError(error, 'no certificates are issued'));
  await reserveSlugs(database.db, configuredProviders);
  await warnOfHiddenProviders(database.db, configuredProviders, logWarning);
  await discoverAll(providers, configuredProviders, logError);
  await app.register(consolePlugin, {
    database,
    publicUrl,
    feed,
    providers,
    configuredProviders,
    loginFlow,
    loginHandlers,
    sealer,
    clock,
  });
  const { host, port, alsoHost } = parts.listen;
  let closeAlso = async () => {};
  try {
    if (alsoHost !== undefined) closeAlso = await listenToo(app.server, alsoHost, port);
    await app.listen({ host, port });
  } catch (error) {
    await closeAlso();
    await feed.close();
    await app.close();
    await authority.close();
    throw addressError(error, parts.listen);
  }
  const sweeps = startSweeps(database, clock, (stream) =>
    app.log.fatal(
      { alarm: 'security_events_stalled', ...stream },
      'security events of a provider have stopped',
    ),
  );
  return {
    routes: app.routeList,
    close: async () => {
      await sweeps.close();
      await feed.close();
      await closeAlso();
      await app.close();
      await authority.close();
    },
  };
}

/** Hands what connects at another address to the server. Returns what stops that; nothing if there is no such address. */
async function listenToo(server: Server, host: string, port: number): Promise<() => Promise<void>> {
  const also = createServer((socket) => server.emit('connection', socket)).listen({ host, port });
  try {
    await once(also, 'listening');
  } catch (error) {
    const isNone = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes((error as NodeJS.ErrnoException).code ?? '');
    if (isNone) return async () => {};
    throw error;
  }
  return async () => {
    // Does not wait for the connections: they are the server's, which ends them.
    also.close();
  };
}

function addressError(error: unknown, { host: wanted, port }: Listen): unknown {
  const { code, address = wanted } = error as NodeJS.ErrnoException & { address?: string };
  const host = address.includes(':') ? `[${address}]` : address;
  if (code === 'EADDRINUSE') {
    return new SallyportError(
      'in_use',
      `${host}:${port} is in use. Stop what listens there, or choose another port.`,
    );
  }
  if (code === 'EADDRNOTAVAIL' || code === 'EACCES') {
    return new SallyportError(
      'settings_invalid',
      `${host}:${port} can't be listened on (${code}). Choose another address.`,
    );
  }
  return error;
}
