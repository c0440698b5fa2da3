import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openResponse } from '../../src/gateway/server-request.ts';
import { createGuardedFetch } from '../../src/outbound/guarded-fetch.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const before = getCACertificates('default');

describe.skipIf(!hasOpenssl)('https to an address that was checked (needs openssl)', () => {
  let server: Server;
  let port: number;
  let certificate: string;
  beforeAll(async () => {
    const { stdout } = spawnSync(
      'openssl',
      [
        ...[
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:prime256v1',
          '-nodes',
          '-days',
          '2',
        ],
        ...['-subj', '/CN=login.example', '-addext', 'subjectAltName=DNS:login.example', '-keyout', '-'],
      ],
      { encoding: 'utf8' },
    );
    certificate = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(stdout)?.[0] ?? '';
    const key = /-----BEGIN PRIVATE KEY-----[\s\S]*?-----END PRIVATE KEY-----/.exec(stdout)?.[0] ?? '';
    server = createServer({ key, cert: certificate }, (request, response) => {
      response.end(`${request.headers.host} ${request.method}`);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => {
    setDefaultCACertificates(before);
    server.close();
    server.closeAllConnections();
  });

  const ask = (host: string) =>
    createGuardedFetch({ privateNetworks: ['127.0.0.0/8'], resolve: async () => ['127.0.0.1'] })(
      `https://${host}:${port}/`,
      { method: 'POST', body: new URLSearchParams({ a: 'b' }) },
    );
  const notReached = expect.objectContaining({ code: 'login_provider_error' });

  test('checks the certificate against the name, not against the address', async () => {
    await expect(ask('login.example')).rejects.toEqual(notReached);
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    await expect(ask('login.example')).rejects.toEqual(notReached);
    vi.unstubAllEnvs();
    setDefaultCACertificates([...before, certificate]);
    expect(await (await ask('login.example')).text()).toBe(`login.example:${port} POST`);
    await expect(ask('other.example')).rejects.toEqual(notReached);
    await expect(ask('127.0.0.1')).rejects.toEqual(notReached);
  });

  test('nor does a companion believe whoever answers', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const asked = openResponse({ url: `https://127.0.0.1:${port}`, credential: 'secret' }, '/', {
      signal: AbortSignal.timeout(20_000),
      accept: 'application/json',
    });
    await expect(asked).rejects.toEqual(expect.objectContaining({ code: 'unavailable' }));
    vi.unstubAllEnvs();
  });
});
