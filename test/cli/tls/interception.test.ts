/**
 * [abuse 128] in parts: the proxy of the environment, an authority of one's own, and somebody who reads along, with an
 * authority that the machine does not believe, and with one that it does.
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { Person, type RunOptions, runAsync, sallyEntry } from '../person.ts';
import { startConnectProxy } from '../reach/connect-proxy.ts';
import { ServerDouble } from '../server-double.ts';
import { type Authority, hasOpenssl, makeAuthority } from './authorities.ts';
import { type InterceptingProxy, startInterceptingProxy } from './intercepting-proxy.ts';

const before = getCACertificates('default');

describe.skipIf(!hasOpenssl)('who is at the other end (needs openssl)', () => {
  let folder: string;
  let authority: Authority;
  let company: Authority;
  let server: ServerDouble;
  let proxy: InterceptingProxy;
  let alice: Person;
  let machine: RunOptions;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sally-tls-'));
    authority = makeAuthority(folder, 'Own authority');
    company = makeAuthority(folder, 'Inspecting company');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    server = new ServerDouble(authority.server);
    await server.start();
    proxy = await startInterceptingProxy(company, authority);
    alice = new Person();
    machine = { openBrowser: (url) => visitOver(url, authority) };
  });
  afterEach(async () => {
    setDefaultCACertificates(before);
    proxy.close();
    await server.stop();
    alice.remove();
  });

  const login = (options = machine) => alice.sally(['login', '--server', server.url], options);
  const behind = (url: string): RunOptions => ({ ...machine, environment: { proxies: { https: url } } });
  const believed = (...authorities: Authority[]) =>
    setDefaultCACertificates([...before, ...authorities.map(({ certificate }) => certificate)]);

  test('[abuse 128] an authority that nobody here believes gets nothing, not even with a login', async () => {
    const { code, stderr } = await login();
    expect(code).toBe(5);
    expect(stderr).toContain(`Nothing was sent to ${server.url}`);
    expect(stderr).toContain('its authority is not one that is believed here');
    expect(stderr).toContain('sally profile set --ca-file FILE');
    expect(server.seen).toEqual([]);
    expect((await login(behind(proxy.url))).code).toBe(5);
    expect(proxy.read).toEqual([]);
  });

  test('[abuse 128] nor where Node is told to believe everybody, whether it is the server or a proxy', async () => {
    const heard: string[] = [];
    const listening = createServer(authority.server, (socket) =>
      socket.on('data', (bytes) => heard.push(bytes.toString('latin1'))),
    );
    listening.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    const { port } = listening.address() as AddressInfo;
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const direct = await login();
    const through = await login(behind(`https://alice:secret@127.0.0.1:${port}`));
    vi.unstubAllEnvs();
    listening.close();
    expect([direct.code, direct.stderr]).toEqual([5, expect.stringContaining('Nothing was sent')]);
    expect([through.code, heard, server.seen]).toEqual([5, [], []]);
  });

  test('[abuse 128] a profile with authorities of its own believes them alone, whatever the machine believes', async () => {
    believed(company);
    const set = await alice.sally(['profile', 'set', '--ca-file', authority.file, '--server', server.url]);
    expect(set.stdout).toContain(authority.file);
    expect((await alice.sally(['login'], machine)).code).toBe(0);
    const { code, stderr } = await alice.sally(['cert', 'ensure', '--force'], behind(proxy.url));
    expect(code).toBe(5);
    expect(stderr).toContain('its authority is not one that is believed here');
    expect(proxy.read).toEqual([]);
    expect(server.issued).toBe(1);
    const gone = await alice.sally(['profile', 'set', '--ca-file', join(folder, 'nothing.pem')]);
    expect([gone.code, gone.stderr]).toEqual([6, expect.stringContaining('gives ENOENT')]);
  });

  test('[abuse 128] a login chooses the authorities of its profile, from its first request on', async () => {
    const first = await alice.sally(['login', '--server', server.url, '--ca-file', company.file], machine);
    expect([first.code, server.seen]).toEqual([5, []]);
    const chosen = async () =>
      JSON.parse((await alice.sally(['profile', 'set', '--json'])).stdout) as { ca_file: string | null };
    expect(await chosen()).toMatchObject({ ca_file: null });
    let whileLoggingIn: unknown;
    const openBrowser = async (url: string) => {
      whileLoggingIn = await chosen();
      await visitOver(url, authority);
    };
    const argv = ['login', '--server', server.url, '--ca-file', authority.file];
    const second = await alice.sally(argv, { openBrowser });
    // Ctrl-C is how most logins fail.
    expect(whileLoggingIn).toMatchObject({ ca_file: null });
    expect([second.code, second.stderr]).toEqual([0, expect.not.stringContaining('Own authority')]);
    // It is the profile's from now on, also where the machine believes another one.
    believed(company);
    expect((await alice.sally(['cert', 'ensure', '--force'], machine)).code).toBe(0);
    expect((await alice.sally(['cert', 'ensure', '--force'], behind(proxy.url))).code).toBe(5);
    expect(await chosen()).toMatchObject({ ca_file: authority.file });
    const without = await alice.sally(['login', '--no-ca-file'], machine);
    expect([without.code, without.stderr]).toEqual([
      5,
      expect.stringContaining('is not one that is believed'),
    ]);
    // It failed, so nobody is believed who was not.
    expect(await chosen()).toMatchObject({ ca_file: authority.file });
  });

  test('a port that does not speak TLS is called that', async () => {
    const plain = new ServerDouble();
    await plain.start();
    const { code, stderr } = await alice.sally(['login', '--server', plain.url.replace('http:', 'https:')]);
    await plain.stop();
    expect([code, stderr]).toEqual([5, expect.stringContaining('does not speak TLS')]);
  });

  test('[abuse 128] a private authority is named once, and another one that the machine believes too is refused before anything is sent', async () => {
    believed(authority, company);
    const first = await login();
    expect(first.stderr).toContain('comes from "Own authority", which is no public authority');
    expect((await alice.sally(['cert', 'ensure', '--force'], machine)).stderr).toBe('');
    const before = readFileSync(alice.paths.identity, 'utf8');
    const asked = server.seen.length;

    for (const argv of [['cert', 'ensure', '--force'], ['whoami'], ['login']]) {
      const { code, stderr } = await alice.sally(argv, behind(proxy.url));
      expect([argv, code]).toEqual([argv, 5]);
      expect(stderr).toContain('now comes from "Inspecting company", until now from "Own authority"');
    }
    expect([proxy.read, server.seen.length - asked]).toEqual([[], 0]);
    // The certificate at hand serves on.
    expect(readFileSync(alice.paths.identity, 'utf8')).toBe(before);
    expect(before).toContain('/pairs/');

    expect((await alice.sally(['profile', 'trust'], machine)).stderr).toContain('--yes');
    expect((await alice.sally(['profile', 'trust', '--yes'], machine)).code).toBe(0);
    const trusted = await alice.sally(['cert', 'ensure', '--force'], behind(proxy.url));
    expect([trusted.code, trusted.stderr]).toEqual([0, expect.stringContaining('"Inspecting company"')]);
    expect(proxy.read.length).toBeGreaterThan(0);
    // And back at home it is the other one that is new.
    expect((await alice.sally(['whoami'], machine)).code).toBe(5);
  });

  test('[abuse 128] the program itself goes by HTTPS_PROXY, NODE_EXTRA_CA_CERTS and no_proxy', async () => {
    believed(authority);
    await login();
    const forward = await startConnectProxy('alice:secret');
    const run = async (environment: Record<string, string>) =>
      await runAsync(process.execPath, [sallyEntry, 'cert', 'ensure', '--force'], {
        ...{ HOME: alice.home, NODE_EXTRA_CA_CERTS: authority.file, SALLY_DEBUG: '1' },
        ...{ https_proxy: '', all_proxy: '', ALL_PROXY: '', no_proxy: '', NO_PROXY: '' },
        ...environment,
      });
    const HTTPS_PROXY = `http://alice:secret@127.0.0.1:${forward.port}`;
    const through = await run({ HTTPS_PROXY });
    expect([through.code, through.stderr]).toEqual([0, expect.not.stringContaining('secret')]);
    expect(new Set(forward.asked)).toEqual(new Set([new URL(server.url).host]));
    forward.refuse(true);
    expect((await run({ HTTPS_PROXY })).stderr).toContain(
      `the proxy 127.0.0.1:${forward.port} did not connect`,
    );
    expect((await run({ HTTPS_PROXY, NO_PROXY: '127.0.0.0/8' })).code).toBe(0);
    expect((await run({ NODE_EXTRA_CA_CERTS: company.file })).code).toBe(5);
    await forward.close();
  });
});

/** A browser that believes the server. */
async function visitOver(url: string, { certificate }: Authority): Promise<void> {
  get(url, { ca: certificate }, (response) => {
    response.resume();
    void fetch(response.headers.location ?? '').catch(() => {});
  }).on('error', () => {});
}
