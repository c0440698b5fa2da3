import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Anchor } from '../../../src/cli/profiles/profile-settings.ts';
import { anchorOf } from '../../../src/cli/tls/chain-anchor.ts';
import { hasOpenssl } from './authorities.ts';

describe.skipIf(!hasOpenssl)('whose word a chain of certificates is (needs openssl)', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sally-chain-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const at = (name: string) => join(folder, name);
  const pem = (name: string) => readFileSync(at(name), 'utf8');
  const key = (name: string) =>
    execFileSync('openssl', [
      ...[
        'genpkey',
        '-algorithm',
        'EC',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-out',
        at(`${name}.key`),
      ],
    ]);
  /** Without any key usage, which a certificate need not say. */
  const certify = (name: string, of: { key: string; subject: string; by?: string; isAuthority: boolean }) =>
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-days', '2', '-key', at(`${of.key}.key`), '-out', at(name), '-subj', of.subject],
        ...(of.by === undefined ? [] : ['-CA', at(of.by), '-CAkey', at(`${of.by}.key`)]),
        ...['-config', at('config')],
        ...['-addext', `basicConstraints=critical,CA:${of.isAuthority ? 'TRUE' : 'FALSE'}`],
        ...['-addext', 'subjectAltName=DNS:sallyport.test'],
      ],
      { stdio: 'ignore' },
    );

  async function anchorSeen(
    chain: readonly string[],
    keyName: string,
    believed: readonly string[],
  ): Promise<Anchor> {
    const server = createServer({ cert: chain.map(pem).join(''), key: pem(`${keyName}.key`) });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const socket = connect({ host: '127.0.0.1', port, servername: 'sallyport.test', ca: believed.map(pem) });
    try {
      await once(socket, 'secureConnect');
      return anchorOf(socket.getPeerCertificate(true));
    } finally {
      socket.destroy();
      server.close();
    }
  }

  test('a certificate that is no authority carries nobody to the authority above it', async () => {
    execFileSync('sh', ['-c', 'printf "[req]\\ndistinguished_name=dn\\n[dn]\\n" > "$0"', at('config')]);
    for (const name of ['public', 'company', 'leaf']) key(name);
    certify('public', { key: 'public', subject: '/CN=Public authority', isAuthority: true });
    // The same key and name twice: a certificate as everybody gets one, and an authority that the machine was told of.
    certify('site', { key: 'company', subject: '/CN=company.test', by: 'public', isAuthority: false });
    certify('company', { key: 'company', subject: '/CN=company.test', isAuthority: true });
    certify('leaf', { key: 'leaf', subject: '/CN=sallyport', by: 'company', isAuthority: false });
    const { name } = await anchorSeen(['leaf', 'site'], 'leaf', ['company', 'public']);
    expect(name).not.toBe('Public authority');
    // As it is without such a trick.
    expect((await anchorSeen(['leaf'], 'leaf', ['company', 'public'])).name).toBe('company.test');
  });
});
