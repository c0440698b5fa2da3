/** Which proxy the environment names for a connection, as curl(1) reads the same variables. Pure. */
import { BlockList, isIP } from 'node:net';
import { SallyportError } from '../../errors/sallyport-error.ts';

export interface ProxyVariables {
  /** $all_proxy or $ALL_PROXY */
  readonly all?: string | undefined;
  /** $https_proxy or $HTTPS_PROXY */
  readonly https?: string | undefined;
  /** $http_proxy alone: in a CGI program HTTP_PROXY is a header of the request. */
  readonly http?: string | undefined;
  /** $no_proxy or $NO_PROXY */
  readonly none?: string | undefined;
}

export interface ProxyServer {
  readonly kind: 'socks5' | 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** It is for web pages: where it does not want to carry ssh, ssh does without. */
  readonly isForWeb: boolean;
}

const kinds: Readonly<Record<string, { kind: ProxyServer['kind']; port: number }>> = {
  'socks:': { kind: 'socks5', port: 1080 },
  'socks5:': { kind: 'socks5', port: 1080 },
  'socks5h:': { kind: 'socks5', port: 1080 },
  'http:': { kind: 'http', port: 80 },
  'https:': { kind: 'https', port: 443 },
};

/** @throws settings_invalid if the variable that counts names no proxy that can be used; its text is not repeated */
export function proxyFor(variables: ProxyVariables, host: string): ProxyServer | undefined {
  const { all, https, http, none } = variables;
  const found = all || https || http;
  if (!found || isExempt(host, none ?? '')) return undefined;
  return parseProxy(found, all ? 'all_proxy' : https ? 'https_proxy' : 'http_proxy', !all);
}

function parseProxy(text: string, variable: string, isForWeb: boolean): ProxyServer {
  const url = URL.parse(/^[a-z0-9+.-]+:\/\//i.test(text) ? text : `http://${text}`);
  const known = url && kinds[url.protocol];
  if (!url?.hostname || !known) {
    throw new SallyportError(
      'settings_invalid',
      `${variable} names no proxy that ssh can go through. It looks like socks5://proxy.example:1080 or http://proxy.example:3128; without it: env -u ${variable} sally ...`,
    );
  }
  return {
    kind: known.kind,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? known.port : Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    isForWeb,
  };
}

/** `*`, host names and domains with or without a dot in front, addresses and networks. */
function isExempt(host: string, list: string): boolean {
  const name = host.toLowerCase();
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      if (isIP(name) > 0) return isInNetwork(name, entry);
      const domain = entry.replace(/^\*?\./, '');
      return name === domain || name.endsWith(`.${domain}`);
    });
}

function isInNetwork(address: string, entry: string): boolean {
  const [network = '', bits] = entry.replace(/[[\]]/g, '').split('/');
  const family = isIP(network);
  if (family === 0 || family !== isIP(address)) return false;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  const length = bits === undefined ? (family === 4 ? 32 : 128) : Number(bits);
  if (!Number.isInteger(length) || length < 0 || length > (family === 4 ? 32 : 128)) return false;
  list.addSubnet(network, length, type);
  return list.check(address, type);
}
