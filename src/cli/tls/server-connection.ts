/** How a profile gets to its server: by which proxy, and whose word it takes for who the server is. */
import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { isSallyportError, SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { connectTo } from '../network/connect.ts';
import { type ProxyVariables, proxyFor } from '../network/proxy.ts';
import {
  type Anchor,
  changeProfileSettings,
  type ProfileSettings,
  readProfileSettings,
} from '../profiles/profile-settings.ts';
import { readCaFile } from './ca-file.ts';
import { anchorOf } from './chain-anchor.ts';
import { decideAnchor } from './decide-anchor.ts';

/** Opens a connection over which nothing has been sent yet. */
export type OpenConnection = (server: URL) => Promise<Socket>;

/** @throws unavailable, server_untrusted */
export function connectionOf(context: SallyContext): OpenConnection {
  return async (server) => {
    const settings = await readProfileSettings(context.paths);
    const socket = await throughProxy(context, server);
    if (server.protocol === 'http:') return socket;
    const { caFile = settings.ca_file } = context;
    const ca = caFile === null ? undefined : (await readCaFile(caFile)).certificates;
    try {
      const secured = await secure(socket, server, ca);
      // Who has chosen the authorities for this server has answered the question.
      if (!ca) await checkAnchor(context, settings, { server, leaf: secured.getPeerCertificate(true) });
      return secured;
    } catch (error) {
      socket.destroy();
      throw explained(server, error as NodeJS.ErrnoException) ?? error;
    }
  };
}

/** To somebody who is not the profile's server: by the same proxy, and whom this machine believes is believed. */
export function connectionElsewhere(reach: Reach): OpenConnection {
  return async (server) => {
    const socket = await throughProxy(reach, server);
    if (server.protocol === 'http:') return socket;
    try {
      return await secure(socket, server, undefined);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  };
}

type Reach = Pick<SallyContext, 'environment' | 'patienceMilliseconds' | 'debug'>;

async function throughProxy({ environment, patienceMilliseconds, debug }: Reach, server: URL) {
  const isPlain = server.protocol === 'http:';
  const place = {
    host: server.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(server.port || (isPlain ? 80 : 443)),
  };
  // Plain http is for this machine alone.
  const proxy = isPlain ? undefined : proxyFor(webVariables(environment.proxies ?? {}), place.host);
  if (proxy) {
    debug.redact(proxy.password);
    debug.say(`${server.origin} by the proxy ${proxy.host}:${proxy.port}`);
  }
  if (!proxy) return await connectTo(place, undefined, patienceMilliseconds);
  try {
    return await connectTo(place, { ...proxy, isForWeb: false }, patienceMilliseconds);
  } catch (error) {
    // Whose failure it was is in its words alone.
    throw new Error(error instanceof Error ? error.message.replace(/\.?$/, '') : String(error));
  }
}

/** curl(1) takes the variable of the scheme first. */
function webVariables({ https, all, none }: ProxyVariables): ProxyVariables {
  return https ? { https, none } : { all, none };
}

function secure(socket: Socket, server: URL, ca: readonly string[] | undefined): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const host = server.hostname.replace(/^\[(.*)\]$/, '$1');
    const secured = connectTls({
      socket,
      host,
      ...(isIP(host) === 0 && { servername: host }),
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
      // Said, because otherwise NODE_TLS_REJECT_UNAUTHORIZED, often set for something else, counts.
      rejectUnauthorized: true,
      ...(ca && { ca: [...ca] }),
    });
    secured.once('error', reject);
    secured.once('secureConnect', () => {
      secured.off('error', reject);
      resolve(secured);
    });
  });
}

async function checkAnchor(
  context: SallyContext,
  { anchors }: ProfileSettings,
  { server, leaf }: { server: URL; leaf: DetailedPeerCertificate },
): Promise<void> {
  if (!leaf.raw) throw new SallyportError('server_untrusted', `${server.origin} showed no certificate.`);
  const before = anchors[server.origin];
  const seen = anchorOf(leaf);
  const decision = decided(server, before, seen);
  if (decision.kind === 'same') return;
  if (decision.isNews && before) {
    context.terminal.tell(
      `sally: the certificate of ${server.origin} now comes from "${seen.name}", until now from "${before.name}".`,
    );
  } else if (decision.isNews) {
    context.terminal.tell(
      `sally: the certificate of ${server.origin} comes from "${seen.name}", which is no public authority. From now on only that one is believed, or a public one. If your server does not have it from there, somebody reads along.`,
    );
  }
  await remember(context, server, seen);
}

/** @throws server_untrusted */
function decided(server: URL, before: Anchor | undefined, seen: Anchor) {
  const decision = decideAnchor(before, seen);
  if (decision.kind !== 'refuse') return decision;
  throw new SallyportError(
    'server_untrusted',
    `Nothing was sent to ${server.origin}: its certificate now comes from "${seen.name}", until now from "${before?.name}". Somebody may be reading along, such as a company's TLS inspection. If whoever runs the server has announced the change: sally profile trust`,
  );
}

/** @throws server_untrusted: another sally has heard of another authority since */
async function remember(context: SallyContext, server: URL, seen: Anchor): Promise<void> {
  try {
    await changeProfileSettings(context.paths, ({ anchors }) =>
      decided(server, anchors[server.origin], seen).kind === 'same'
        ? {}
        : { anchors: { ...anchors, [server.origin]: seen } },
    );
  } catch (error) {
    if (isSallyportError(error) && error.code === 'server_untrusted') throw error;
    context.debug.say(`who vouches for ${server.origin} could not be remembered: ${error}`);
  }
}

const inWords: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "it has expired, or this machine's clock is wrong",
  CERT_NOT_YET_VALID: "it is not valid yet, or this machine's clock is wrong",
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another name',
  SELF_SIGNED_CERT_IN_CHAIN: 'its authority is not one that is believed here',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it vouches for itself',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is not one that is believed here',
  UNABLE_TO_GET_ISSUER_CERT: 'its authority is not one that is believed here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is not one that is believed here',
  CERT_SIGNATURE_FAILURE: 'its signature is wrong',
  CERT_REVOKED: 'it was revoked',
  INVALID_CA: 'its authority may not vouch for others',
};

function explained(server: URL, { code }: NodeJS.ErrnoException): SallyportError | undefined {
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') {
    return new SallyportError(
      'unavailable',
      `What answers at ${server.origin} does not speak TLS. Look at the port; http:// is for a server on this machine alone.`,
    );
  }
  const why = inWords[code ?? ''];
  if (why === undefined) return undefined;
  return new SallyportError(
    'server_untrusted',
    `Nothing was sent to ${server.origin}: its certificate is not believed, because ${why} (${code}). Somebody may be reading along, such as a company's TLS inspection. If the server's authority is one of your own: sally profile set --ca-file FILE`,
  );
}
