/** A proxy that reads along in TLS, as companies have them: it shows a certificate of its own, and goes on to the server. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createSecureServer, request } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Authority } from './authorities.ts';

export interface InterceptingProxy {
  readonly url: string;
  /** Requests that it could read, with their secrets. */
  readonly read: string[];
  close(): void;
}

export async function startInterceptingProxy(
  own: Authority,
  ofServer: Authority,
): Promise<InterceptingProxy> {
  const read: string[] = [];
  const open = new Set<Socket>();
  const reader = createSecureServer(own.server, (asked, reply) => {
    read.push(`${asked.method} ${asked.url} ${asked.headers.authorization ?? ''}`);
    const { method, headers } = asked;
    const options = { method, headers, ca: ofServer.certificate };
    const onward = request(`https://${headers.host}${asked.url}`, options, (answer) => {
      reply.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(reply);
    });
    onward.on('error', () => reply.destroy());
    asked.pipe(onward);
  });
  reader.on('tlsClientError', () => {}); // who does not believe it hangs up
  const server = createServer().on('connect', (_request, socket: Socket) => {
    open.add(socket.on('error', () => {}));
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    reader.emit('connection', socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    read,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
      reader.close();
    },
  };
}
