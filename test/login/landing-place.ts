/** Where a login ends in a test: a listener that answers everything, like the helper's on its loopback port. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface LandingPlace {
  readonly port: number;
  close(): Promise<void>;
}

export async function openLandingPlace(): Promise<LandingPlace> {
  const server = createServer((_request, response) => response.end('landed'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
