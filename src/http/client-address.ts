/**
 * Who is at the other end of a request. What X-Forwarded-For says is believed from the right, one entry for each proxy
 * that is known to stand there, and no further: everything to the left of that is what the client wrote itself. A proxy
 * is known by its address and by its place, so a client inside the proxies' own network is no proxy.
 */
import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { SallyportError } from '../errors/sallyport-error.ts';

export interface TrustedProxies {
  /** Addresses, or networks as `10.0.0.0/8`. */
  readonly networks: readonly string[];
  /** How many proxies stand in a row at most. */
  readonly hops: number;
}

/** Gives every request's `ip` its meaning. Call before the first hook that reads it. */
export function findClientAddresses(app: FastifyInstance, proxies: TrustedProxies): void {
  const isProxy = membership(proxies.networks);
  app.addHook('onRequest', async (request) => {
    const forwarded = request.raw.headers['x-forwarded-for'];
    const ip = clientAddress(request.socket.remoteAddress, [forwarded ?? []].flat().join(','), {
      isProxy,
      hops: proxies.hops,
    });
    Object.defineProperty(request, 'ip', { value: ip, enumerable: true });
  });
}

/**
 * The address in one spelling (RFC 5952), never IPv4 inside IPv6, without zone and port.
 * @throws request_malformed if a proxy that is believed named no address: taking its own for the client's would put
 *   every client inside the proxies' network
 */
export function clientAddress(
  remoteAddress: string | undefined,
  forwardedFor: string,
  { isProxy, hops }: { readonly isProxy: (address: string) => boolean; readonly hops: number },
): string {
  const forwarded = forwardedFor === '' ? [] : forwardedFor.split(',');
  let address = canonicalAddress(remoteAddress ?? '');
  for (let hop = 0; hop < hops && address !== undefined && isProxy(address); hop += 1) {
    const entry = forwarded.pop();
    if (entry === undefined) break;
    address = canonicalAddress(withoutPort(entry.trim()));
  }
  if (address !== undefined) return address;
  throw new SallyportError(
    'request_malformed',
    'The proxy in front of this server does not say who sent the request. Whoever runs it: X-Forwarded-For must hold addresses.',
  );
}

/** Whether an address as clientAddress() gives it is in one of the networks. */
export function membership(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

function canonicalAddress(text: string): string | undefined {
  const version = isIP(text);
  if (version === 0) return undefined;
  if (version === 4) return text;
  const { address } = new SocketAddress({ address: text.replace(/%.*$/, ''), family: 'ipv6' });
  return /^::ffff:([0-9.]+)$/.exec(address)?.[1] ?? address;
}

/** Some proxies write `192.0.2.7:4711` or `[2001:db8::7]:4711`. */
function withoutPort(entry: string): string {
  const [, inBrackets, beforePort] =
    /^(?:\[([0-9a-f:.%]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5})$/i.exec(entry) ?? [];
  return inBrackets ?? beforePort ?? entry;
}
