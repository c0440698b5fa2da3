import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { startFeedClient } from '../../src/gateway/feed-client.ts';
import type { LogEntry } from '../../src/gateway/log.ts';

/** A server that refuses every stream so. Returns the paths that it was asked for after so many failures of the client. */
async function askedBy(headers: Record<string, string>, failures: number): Promise<string[]> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(503, headers).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const enough = Promise.withResolvers<void>();
  const logged: LogEntry[] = [];
  const client = startFeedClient({
    server: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, credential: 'x' },
    installed: () => ({ state: 0n, krl: 0n }),
    onState: async () => {},
    onConnected: () => {},
    onContact: () => {},
    log: (entry) => {
      logged.push(entry);
      if (logged.length === failures) enough.resolve();
    },
    pauses: { firstMilliseconds: 1, longestMilliseconds: 2 },
  });
  await enough.promise;
  await client.stop();
  return [...new Set(asked)].sort();
}

test('where events do not get through, the state is asked for', async () => {
  expect(await askedBy({}, 4)).toEqual(['/v1/companions/feed', '/v1/companions/state']);
});

test('who is asked to come back later asks no other way meanwhile', async () => {
  expect(await askedBy({ 'retry-after': '0' }, 4)).toEqual(['/v1/companions/feed']);
});
