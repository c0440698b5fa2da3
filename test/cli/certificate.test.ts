import { readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sshKeygenOutput } from '../interop/ssh-keygen.ts';
import { Person } from './person.ts';
import { account, ServerDouble, sessionId } from './server-double.ts';

let server: ServerDouble;
let alice: Person;

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
  await alice.login(server.url);
});
afterEach(async () => {
  await server.stop();
  alice.remove();
  expect(server.failures).toEqual([]);
});

const at = (seconds: number) => () => new Date(Date.now() + seconds * 1000);
const currentCertificate = () => /CertificateFile "(.*)"/.exec(alice.identity())?.[1] ?? '';
const currentKey = () => /IdentityFile "(.*)"/.exec(alice.identity())?.[1] ?? '';

describe('the certificate', () => {
  test('is one that ssh-keygen reads, for the key beside it', () => {
    const text = sshKeygenOutput(['-L', '-f', currentCertificate()]);
    expect(text).toContain(`Key ID: "${account}/${sessionId}"`);
    const [type, key] = sshKeygenOutput(['-y', '-f', currentKey()]).split(' ');
    expect(type).toBe('ssh-ed25519');
    const certified = /Public key: ED25519-CERT (SHA256:\S+)/.exec(text)?.[1];
    expect(sshKeygenOutput(['-l', '-f', currentKey()])).toContain(certified);
    expect(key).toBeDefined();
  });

  test('is left alone while it is good, and no server is asked', async () => {
    const asked = server.seen.length;
    const { code, stdout } = await alice.sally(['cert', 'ensure']);
    expect(code).toBe(0);
    expect(stdout).toContain('nothing was due');
    expect(server.seen.length).toBe(asked);
  });

  test('is renewed, with a new key, when a sixth of its life is left', async () => {
    const before = currentKey();
    await alice.sally(['cert', 'ensure'], { now: at(3600 - 700) });
    expect(server.issued).toBe(1);
    await alice.sally(['cert', 'ensure'], { now: at(3600 - 600) });
    expect(server.issued).toBe(2);
    expect(currentKey()).not.toBe(before);
    expect(sshKeygenOutput(['-l', '-f', currentKey()])).not.toBe(sshKeygenOutput(['-l', '-f', before]));
  });

  test('is renewed when forced, and when renew-after is gone', async () => {
    await alice.sally(['cert', 'ensure', '--force']);
    expect(server.issued).toBe(2);
    alice.forceRenewal();
    await alice.sally(['cert', 'ensure']);
    expect(server.issued).toBe(3);
  });

  test('is renewed when its key could be read by others', async () => {
    const key = currentKey();
    await writeFile(key, await readFile(key), { mode: 0o600 });
    const { chmod } = await import('node:fs/promises');
    await chmod(key, 0o644);
    await alice.sally(['cert', 'ensure']);
    expect(server.issued).toBe(2);
    expect(currentKey()).not.toBe(key);
  });

  test('is renewed when key and certificate do not belong together', async () => {
    const first = await readFile(currentCertificate());
    await alice.sally(['cert', 'ensure', '--force']);
    await writeFile(currentCertificate(), first);
    await alice.sally(['cert', 'ensure']);
    expect(server.issued).toBe(3);
  });

  test('of an earlier renewal stays for a day', async () => {
    const first = currentKey().split('/').at(-2) ?? '';
    await alice.sally(['cert', 'ensure', '--force']);
    expect(readdirSync(alice.paths.pairs)).toContain(first);
    const old = Date.now() / 1000 - 25 * 3600;
    utimesSync(join(alice.paths.pairs, first), old, old);
    await alice.sally(['cert', 'ensure', '--force']);
    expect(readdirSync(alice.paths.pairs)).not.toContain(first);
    expect(readdirSync(alice.paths.pairs)).toHaveLength(2);
  });

  test('brings along what has changed about hosts', async () => {
    server.configuration.targets[0] = {
      name: 'shop-production--web',
      gateway: 'gw',
      address: '192.0.2.7',
      port: 22,
      login: 'app',
    };
    await alice.sally(['cert', 'ensure', '--force']);
    expect(alice.sshOptions('shop-production--web.sallyport').get('hostname')).toEqual(['192.0.2.7']);
  });
});

describe('a lost reply', () => {
  test('of the tokens is asked for again at once with the same refresh token', async () => {
    server.faults.loseReplyOf = '/oauth/token';
    const { code } = await alice.sally(['cert', 'ensure', '--force']);
    expect(code).toBe(0);
    expect(server.refreshes).toBe(2);
    expect(server.issued).toBe(2);
  });

  test('of the certificate is asked for again with the same request and the same key', async () => {
    server.faults.loseReplyOf = '/v1/certificates';
    const lost = await alice.sally(['cert', 'ensure', '--force']);
    expect(lost.code).toBe(5);
    expect(lost.stderr).toContain('the certificate at hand stays');
    const asked = JSON.parse(await readFile(alice.paths.pending, 'utf8')).request_id;
    const { code } = await alice.sally(['cert', 'ensure', '--force']);
    expect(code).toBe(0);
    expect(server.issued).toBe(2);
    expect(currentKey()).toContain(asked);
    expect(alice.has(alice.paths.pending)).toBe(false);
  });
});

describe('an outage', () => {
  test('keeps the certificate, and the fast path pauses before it asks again', async () => {
    await server.stop();
    alice.forceRenewal();
    const before = alice.identity();
    const { code, stderr } = await alice.sally(['cert', 'ensure']);
    expect(code).toBe(5);
    expect(stderr).toMatch(
      /^sally: .* cannot be reached \(ECONNREFUSED\).*\nsally: the certificate at hand stays/,
    );
    expect(alice.identity()).toBe(before);
    const [due] = (await readFile(alice.paths.renewAfter, 'utf8')).split('\n');
    const pause = Number(due) - Date.now() / 1000;
    expect(pause).toBeGreaterThan(0);
    expect(pause).toBeLessThanOrEqual(30);
    await server.start();
  });

  test('is not the end of the session', async () => {
    const trouble = { status: 503, code: 'database_unavailable', detail: 'The database is not available.' };
    server.faults.refuse = { '/oauth/token': trouble };
    expect((await alice.sally(['cert', 'ensure', '--force'])).code).toBe(5);
    server.faults = {};
    expect((await alice.sally(['cert', 'ensure', '--force'])).code).toBe(0);
  });

  test('is silent with --quiet', async () => {
    await server.stop();
    alice.forceRenewal();
    expect(await alice.sally(['cert', 'ensure', '--quiet'])).toEqual({ code: 0, stdout: '', stderr: '' });
    await server.start();
  });
});

describe('the end of the session', () => {
  test('found at the renewal is remembered: tokens go, and the certificate is offered no more', async () => {
    server.faults.sessionOver = true;
    const { code, stderr } = await alice.sally(['cert', 'ensure', '--force']);
    expect(code).toBe(3);
    expect(stderr).toContain('sally: session expired, run: sally login\n');
    expect(JSON.parse(await readFile(alice.paths.session, 'utf8')).tokens).toBeNull();
    const offered = alice.sshOptions('shop-production--web.sallyport');
    expect(offered.get('certificatefile')).toBeUndefined();
    expect(offered.get('identityfile')).toEqual(['none']);
    const status = await alice.sally(['status']);
    expect(status.code).toBe(3);
    expect(status.stdout).toMatch(/Session +over since .* Run: sally login/);
  });

  test('is asked about once: afterwards nobody bothers the server', async () => {
    server.faults.sessionOver = true;
    await alice.sally(['cert', 'ensure', '--force']);
    const asked = server.seen.length;
    await alice.sally(['cert', 'ensure']);
    await alice.sally(['whoami']);
    expect(server.seen.length).toBe(asked);
  });

  test('found by any other command is remembered too', async () => {
    server.faults.sessionOver = true;
    const { code, stderr } = await alice.sally(['whoami']);
    expect({ code, stderr }).toEqual({ code: 3, stderr: 'sally: session expired, run: sally login\n' });
    expect(JSON.parse(await readFile(alice.paths.session, 'utf8')).tokens).toBeNull();
  });

  test('is over with a login', async () => {
    server.faults.sessionOver = true;
    await alice.sally(['cert', 'ensure', '--force']);
    server.faults = {};
    await alice.login(server.url);
    expect((await alice.sally(['status'])).code).toBe(0);
    expect(server.issued).toBe(2);
  });
});

describe('the tokens', () => {
  test('are renewed for a command when they are old, and kept', async () => {
    const before = await readFile(alice.paths.session, 'utf8');
    const { code } = await alice.sally(['whoami'], { now: at(295) });
    expect(code).toBe(0);
    expect(server.refreshes).toBe(1);
    expect(await readFile(alice.paths.session, 'utf8')).not.toBe(before);
    expect(statSync(alice.paths.session).mode & 0o777).toBe(0o600);
  });

  test('are on disk before they are used', async () => {
    server.faults.loseReplyOf = '/v1/certificates/challenge';
    await alice.sally(['cert', 'ensure', '--force']);
    rmSync(alice.paths.pending, { force: true });
    expect((await alice.sally(['cert', 'ensure', '--force'])).code).toBe(0);
    expect(server.refreshes).toBe(2);
  });
});
