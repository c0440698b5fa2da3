/** Between the server and a machine may stand a cache that keeps what it should not. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CompanionState, EnrolmentReply } from '../../src/api/companions.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { checkState } from '../../src/gateway/check-state.ts';
import { startFeedClient } from '../../src/gateway/feed-client.ts';
import { createEnrolmentToken } from '../../src/inventory/enrolment.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { createShop } from '../inventory/shop.ts';
import { enrolmentBody, startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

async function enrolled(companionId: string) {
  const hostKey = generateEd25519();
  const token = await inTransaction(server.database.db, (tx) =>
    createEnrolmentToken(tx, companionId, { now: server.clock.now, lifetimeSeconds: 600 }),
  );
  const body = await enrolmentBody(token, server.publicUrl.hostname, hostKey);
  const reply = await server.call('POST', '/v1/companions/enrol', { body });
  const { credential, user_authorities: pinned } = reply.json<EnrolmentReply>();
  const expectations = {
    companionId,
    domain: server.publicUrl.hostname,
    pinned,
    compromised: [],
    hostPublicKey: publicKeyLine({ blob: hostKey.publicKeyBlob }),
  };
  const ask = (headers: Record<string, string> = {}) =>
    server.call('GET', '/v1/companions/state', { credential, headers });
  return { credential, expectations, ask };
}

/** Answers every poll with the next of these, as a cache would; there are no events through it. */
async function cacheOf(answers: readonly { status: number; state?: CompanionState }[]) {
  const asked: Record<string, unknown>[] = [];
  const waiting = [...answers];
  const cache = createServer((request, response) => {
    if (!request.url?.startsWith('/v1/companions/state')) {
      response.writeHead(503).end();
      return;
    }
    asked.push(request.headers);
    const { status = 503, state } = waiting.shift() ?? {};
    response.writeHead(status, {
      etag: 'W/"kept"',
      'last-modified': 'Sat, 21 Nov 2026 00:00:00 GMT',
      'cache-control': 'public, max-age=31536000',
      age: '86400',
      'content-type': 'application/json',
    });
    response.end(state && JSON.stringify(state));
  }).listen(0, '127.0.0.1');
  await once(cache, 'listening');
  return {
    url: `http://127.0.0.1:${(cache.address() as AddressInfo).port}`,
    asked,
    close: () => cache.close(),
  };
}

test('[abuse 103] no cache may keep a state, and a machine believes signature and version, whatever a cache says', async () => {
  const gateway = await enrolled(server.shop.gatewayId);
  const other = await inTransaction(server.database.db, (tx) =>
    createShop(tx, server.clock.now, {
      organization: 'globex',
      domain: 'globex.example',
      project: 'billing',
      gateway: 'bastion',
    }),
  );
  const stranger = await enrolled(other.gatewayId);

  // Nothing to compare with is given out, so nothing is ever "not modified", asked for however.
  for (const conditions of [
    {},
    { 'if-none-match': '*' },
    { 'if-none-match': 'W/"kept"' },
    { 'if-modified-since': new Date(Date.now() + 86_400_000).toUTCString() },
    { 'cache-control': 'only-if-cached, max-stale=31536000' },
    { range: 'bytes=0-9', 'if-range': '"kept"' },
  ] as Record<string, string>[]) {
    const reply = await gateway.ask(conditions);
    expect(reply.statusCode).toBe(200);
    expect(reply.headers['cache-control']).toBe('no-store');
    for (const name of ['etag', 'last-modified', 'expires', 'age', 'accept-ranges']) {
      expect(reply.headers[name]).toBeUndefined();
    }
    expect(reply.json<CompanionState>().companion.id).toBe(server.shop.gatewayId);
  }
  for (const path of ['/ssh/authority', '/v1/companions/state', '/healthz']) {
    expect((await server.call('GET', path)).headers['cache-control']).toBe('no-store');
  }

  const before = (await gateway.ask()).json<CompanionState>();
  const bob = await server.person('bob', 'contributor');
  await inTransaction(server.database.db, (tx) =>
    endSession(tx, { sessionId: bob.sessionId, reason: 'revoked', by: 'test' }, server.clock.now),
  );
  const after = (await gateway.ask()).json<CompanionState>();
  expect(BigInt(after.version)).toBeGreaterThan(BigInt(before.version));
  const ofOther = (await stranger.ask()).json<CompanionState>();

  const cache = await cacheOf([
    { status: 304 },
    { status: 200, state: before },
    { status: 203, state: ofOther },
    { status: 200, state: { ...after, krl: { ...before.krl, version: after.krl.version } } },
    { status: 200, state: after },
  ]);
  const versions = { state: BigInt(after.version), krl: BigInt(after.krl.version) };
  const refusals: unknown[] = [];
  const logged: string[] = [];
  const installed = Promise.withResolvers<CompanionState>();
  const client = startFeedClient({
    server: { url: cache.url, credential: gateway.credential },
    installed: () => versions,
    onState: async (state) => {
      try {
        installed.resolve(checkState(state, { ...gateway.expectations, versions }).state);
      } catch (error) {
        refusals.push((error as { code: string }).code);
      }
    },
    onConnected: () => {},
    onContact: () => {},
    log: ({ event }) => logged.push(event),
    pauses: { firstMilliseconds: 1, longestMilliseconds: 2 },
  });
  expect((await installed.promise).version).toBe(after.version);
  await client.stop();
  cache.close();
  // "Not modified" is no state; the older one, another machine's and one patched together are refused.
  expect(logged).toContain('feed.unreachable');
  expect(refusals).toEqual([
    'state_older',
    'install_failed',
    expect.stringMatching(/^(signature_invalid|krl_malformed)$/),
  ]);
  expect(cache.asked[0]).not.toHaveProperty('if-none-match');
  expect(cache.asked[0]).not.toHaveProperty('if-modified-since');
});
