/** A port that leads to another one, and counts who comes. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Forwarder {
  readonly port: number;
  readonly count: () => number;
  close(): Promise<void>;
}

/** @param greeting instead of a way to anywhere, what it says to whoever connects */
export async function startForwarder(to: { port: number } | { greeting: string }): Promise<Forwarder> {
  let count = 0;
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    count += 1;
    open.add(socket.on('error', () => {}));
    if ('greeting' in to) {
      socket.end(to.greeting);
      return;
    }
    const onward = connect({ host: '127.0.0.1', port: to.port });
    open.add(onward.on('error', () => socket.destroy()));
    socket.pipe(onward).pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    count: () => count,
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
