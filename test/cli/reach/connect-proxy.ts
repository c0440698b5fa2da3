/** An HTTP proxy that only connects (RFC 9110 section 9.3.6), and only for who has its password. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

export interface ConnectProxy {
  readonly port: number;
  /** Where it was asked to connect to, refused or not. */
  readonly asked: string[];
  /** Lets nobody in any more. */
  refuse(yes: boolean): void;
  close(): Promise<void>;
}

export async function startConnectProxy(login: string): Promise<ConnectProxy> {
  const wanted = `Basic ${Buffer.from(login).toString('base64')}`;
  const asked: string[] = [];
  const open = new Set<Socket>();
  let isRefusing = false;
  const server = createServer((_request, response) => response.writeHead(405).end());
  server.on('connect', (request, socket: Socket, head) => {
    open.add(socket.on('error', () => {}));
    asked.push(request.url ?? '');
    if (isRefusing || request.headers['proxy-authorization'] !== wanted) {
      socket.end(`HTTP/1.1 ${isRefusing ? '403 Forbidden' : '407 Proxy Authentication Required'}\r\n\r\n`);
      return;
    }
    const { hostname, port } = new URL(`http://${request.url}`);
    const onward = connect({ host: hostname, port: Number(port) }, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    open.add(onward.on('error', () => socket.destroy()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    refuse: (yes) => {
      isRefusing = yes;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
