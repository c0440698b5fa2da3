import { afterAll, beforeAll, expect, test } from 'vitest';
import { SallyportError } from '../../src/errors/sallyport-error.ts';
import { authenticateHeader } from '../../src/http/authenticate-header.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

test('every reply to a person has the nonce for the next proof (RFC 9449 section 8.2), a refusal too', async () => {
  const nora = await server.person('nora', 'viewer');
  for (const call of [{ as: nora }, {}]) {
    const reply = await server.call('GET', '/v1/session', call);
    expect([reply.statusCode, reply.headers['dpop-nonce']]).toEqual([call.as ? 200 : 401, 'a nonce']);
  }
});

test('a proof without nonce is answered with the challenge that clients know (RFC 9449 section 9)', () => {
  const error = new SallyportError('proof_nonce_required', 'The DPoP proof needs a nonce.');
  expect(authenticateHeader(error, 'person')).toBe(
    'DPoP error="use_dpop_nonce", error_description="The DPoP proof needs a nonce.", algs="ES256 EdDSA Ed25519"',
  );
});
