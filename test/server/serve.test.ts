import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CompanionState } from '../../src/api/companions.ts';
import { startIdentityProvider } from '../../src/dev/identity-provider.ts';
import { enrol } from '../../src/gateway/enrol.ts';
import type { Enrolment } from '../../src/gateway/enrolment.ts';
import { startFeedClient } from '../../src/gateway/feed-client.ts';
import { companionPaths } from '../../src/gateway/paths.ts';
import { emptyPostgres, hasPostgres } from '../database/fresh-database.ts';
import { root, sallyport, start } from '../dev/started-program.ts';
import {
  hank,
  homer,
  type Installation,
  newInstallation,
  outsider,
  type Replica,
  setupOfGlobex,
} from './installation.ts';

const run = promisify(execFile);
const sshKeygen = '/usr/bin/ssh-keygen';

describe.skipIf(!hasPostgres)("sallyport serve with a stranger's identity provider (needs Postgres)", () => {
  let globex: Installation;
  let first: Replica;
  let second: Replica;
  let enrolmentToken: string;
  let enrolment: Enrolment;

  beforeAll(async () => {
    globex = await newInstallation();
    const file = join(globex.folder, 'setup.json');
    await writeFile(file, JSON.stringify(setupOfGlobex));
    expect(await globex.sallyport('keys', 'create', globex.keys)).toMatchObject({ status: 0 });
    const setup = await globex.sallyport('setup', file);
    expect(setup).toMatchObject({ status: 0 });
    enrolmentToken = /gateway bastion: .*: (\S+)/.exec(setup.output)?.[1] ?? '';
    [first, second] = await Promise.all([globex.serve(), globex.serve()]);
    globex.frontDoor.leadTo([first.port, second.port]);
  });
  afterAll(() => globex?.close());

  test('a login, its requests shared between two replicas, ends with a certificate that carries the security key', async () => {
    const login = await globex.login(hank);
    expect(login).toMatchObject({ status: 0 });
    expect(login.output).toContain('Logged in as hank@globex.example (provider default) until');
    expect(login.output).toContain('with a second factor (pwd, hwk; your identity provider vouches');
    const listing = await certificateListing(globex, hank);
    expect(listing).toMatch(/Type: ssh-ed25519-cert-v01@openssh\.com user certificate/);
    expect(listing).toMatch(/Key ID: "hank@globex\.example\/[0-9a-f-]{36}"/);
    expect(listing).toMatch(/Principals:\s+hank@globex\.example\s+mfa:hank@globex\.example\s+Critical/);
    expect(listing).toMatch(/mfa@localhost/);
    expect(listing).toMatch(/claims@localhost/);
  });

  test('the client secret travels in the body, as that provider wants it', () => {
    expect(globex.identityProvider.tokenRequests.length).toBeGreaterThan(0);
    for (const request of globex.identityProvider.tokenRequests) {
      expect(request).toEqual({ authorization: false, secretInBody: true });
    }
  });

  test('a password alone is no second factor: no mfa principal', async () => {
    const login = await globex.login(homer);
    expect(login).toMatchObject({ status: 0 });
    expect(login.output).toContain('without a second factor');
    const listing = await certificateListing(globex, homer);
    expect(listing).toMatch(/Principals:\s+homer@globex\.example\s+Critical/);
    expect(listing).not.toContain('mfa');
  });

  test("somebody of another organization's domain is refused, whatever groups they have", async () => {
    const login = await globex.login(outsider);
    expect(login.status).not.toBe(0);
    expect(login.output).toContain('initech.example');
    const session = await readFile(join(globex.home(outsider), '.ssh', 'sallyport', 'session.json')).catch(
      () => null,
    );
    expect(session).toBeNull();
  });

  test('roles of that provider are groups here: hank administers, homer does not', async () => {
    const list = globex.sally(hank, 'admin', 'sessions', 'list', '--json');
    expect(await list.ended).toBe(0);
    const { sessions } = JSON.parse(list.output());
    expect(sessions.map(({ account }: { account: string }) => account).sort()).toEqual([
      'hank@globex.example',
      'homer@globex.example',
    ]);
    // The proxy is believed: it is in SALLYPORT_TRUSTED_PROXIES.
    for (const session of sessions) expect(session.client_address).toBe('192.0.2.7');
    const refused = globex.sally(homer, 'admin', 'sessions', 'list');
    expect(await refused.ended).not.toBe(0);
  });

  test('both replicas have the same CA key, and each issues certificates that it verifies', async () => {
    const authorities = await Promise.all([first, second].map((replica) => authorityOf(globex, replica)));
    expect(authorities[0]).toBe(authorities[1]);
    const fingerprint = (await run(sshKeygen, ['-lf', await lines(globex, 'ca.pub', authorities[0] ?? '')]))
      .stdout;
    const signingCa = /Signing CA: ED25519 (SHA256:\S+)/;
    const serials: string[] = [];
    for (const replica of [first, second]) {
      globex.frontDoor.leadTo([replica.port]);
      const renewal = globex.sally(hank, 'cert', 'ensure', '--force');
      expect(await renewal.ended).toBe(0);
      const listing = await certificateListing(globex, hank);
      expect(fingerprint).toContain(signingCa.exec(listing)?.[1] ?? 'none');
      serials.push(/Serial: (\d+)/.exec(listing)?.[1] ?? 'none');
    }
    expect(new Set(serials).size).toBe(2);
    globex.frontDoor.leadTo([first.port, second.port]);
  });

  test('a session revoked through one replica is in the feed of the other, and ssh-keygen finds its certificate revoked', async () => {
    enrolment = await enrolBastion(globex, enrolmentToken);
    const certificate = await certificateFile(globex, homer);
    const sessionId = /Key ID: "[^/]+\/([^"]+)"/.exec(await certificateListing(globex, homer))?.[1] ?? '';

    globex.frontDoor.leadTo([second.port]);
    const connected = Promise.withResolvers<CompanionState>();
    const revoked = Promise.withResolvers<CompanionState>();
    const feed = startFeedClient({
      server: { url: enrolment.serverUrl, credential: enrolment.credential },
      installed: () => ({ state: 0n, krl: 0n }),
      onState: async (state) => {
        connected.resolve(state);
        if (state.ended_sessions.includes(sessionId)) revoked.resolve(state);
      },
      onConnected: () => {},
      onContact: () => {},
      log: () => {},
    });
    try {
      const before = await connected.promise;
      expect(before.targets.map(({ targetName }) => targetName)).toEqual(['billing-live--api']);
      expect(await revokedBy(globex, before, certificate)).toBe(false);

      globex.frontDoor.leadTo([first.port]);
      const revoking = globex.sally(hank, 'admin', 'sessions', 'revoke', 'homer@globex.example', '--yes');
      await revoking.ended;
      expect(revoking.output()).toContain('Ended the session');
      const after = await revoked.promise;
      expect(BigInt(after.version)).toBeGreaterThan(BigInt(before.version));
      expect(await revokedBy(globex, after, certificate)).toBe(true);
    } finally {
      await feed.stop();
      globex.frontDoor.leadTo([first.port, second.port]);
    }
    const renewal = globex.sally(homer, 'cert', 'ensure', '--force');
    expect(await renewal.ended).not.toBe(0);
  });

  test('TERM ends a replica with status 0, a gateway on its feed or not; the other goes on', async () => {
    globex.frontDoor.leadTo([second.port]);
    const feed = await fetch(new URL('/v1/companions/feed', globex.publicUrl), {
      headers: { authorization: `Bearer ${enrolment.credential}` },
    });
    expect(feed.status).toBe(200);
    second.child.kill('SIGTERM');
    expect(await second.ended).toBe(0);
    await feed.body?.cancel().catch(() => {});
    globex.frontDoor.leadTo([first.port]);
    const whoami = globex.sally(hank, 'whoami');
    expect(await whoami.ended).toBe(0);
    second = await globex.serve();
    globex.frontDoor.leadTo([second.port]);
    const again = globex.sally(hank, 'whoami');
    expect(await again.ended).toBe(0);
    globex.frontDoor.leadTo([first.port, second.port]);
  });

  test('after a failover servers issue nothing and say why; sallyport recover brings them back without a restart', async () => {
    const client = new pg.Client({ connectionString: globex.databaseUrl });
    await client.connect();
    await client.query(`
      update database_identity set timeline = timeline + 1, written_by = pg_current_xact_id(),
        postmaster_started_at = postmaster_started_at - interval '1 day'`);
    await client.end();
    const refused = globex.sally(hank, 'cert', 'ensure', '--force');
    expect(await refused.ended).not.toBe(0);
    expect(refused.output()).toContain('Whoever runs the server: sallyport recover');
    const third = await globex.serve();
    expect(third.output()).toContain('no certificates are issued');
    third.child.kill('SIGTERM');

    expect(await globex.sallyport('recover')).toMatchObject({ status: 1 });
    const recovery = await globex.sallyport('recover', '--yes');
    expect(recovery).toMatchObject({
      status: 0,
      output: expect.stringMatching(/Recovered with state version/),
    });
    const ended = globex.sally(hank, 'cert', 'ensure', '--force');
    expect(await ended.ended).not.toBe(0);
    expect(ended.output()).toContain('sally login');
    expect(await globex.login(hank)).toMatchObject({ status: 0 });
    expect(await globex.sally(hank, 'cert', 'ensure', '--force').ended).toBe(0);
  });

  test('nothing that a server logged is a secret', async () => {
    const logs = first.output() + second.output();
    expect(logs).toContain('"/v1/certificates"');
    const oauthKeys = JSON.parse(await readFile(join(globex.keys, 'oauth.json'), 'utf8'));
    for (const secret of [globex.identityProvider.client.secret, enrolmentToken, ...oauthKeys.cookieKeys]) {
      expect(secret.length).toBeGreaterThan(20);
      expect(logs).not.toContain(secret);
    }
  });

  test("the image's health check tells a server that can serve from one that is not there", async () => {
    const dockerfile = await readFile(join(root, 'deploy', 'Dockerfile'), 'utf8');
    const check = /^HEALTHCHECK .* CMD (\["node", "-e".*\])$/m.exec(dockerfile)?.[1] ?? '[]';
    const [, ...args] = JSON.parse(check) as string[];
    const statusAt = async (port: number) => {
      const environment = { ...globex.environment, SALLYPORT_LISTEN: `0.0.0.0:${port}` };
      return await start(process.execPath, args, environment).ended;
    };
    expect(await statusAt(first.port)).toBe(0);
    expect(await statusAt(1)).toBe(1);
  });

  test('keys create makes nothing new where keys are, and setup changes nothing the second time', async () => {
    const before = await readFile(join(globex.keys, 'user_ca.pem'));
    expect(await globex.sallyport('keys', 'create', globex.keys)).toMatchObject({ status: 0 });
    expect(await readFile(join(globex.keys, 'user_ca.pem'))).toEqual(before);
    const setup = await globex.sallyport('setup', join(globex.folder, 'setup.json'));
    // The gateway is enrolled by now: no further token.
    expect(setup).toEqual({ status: 0, output: 'The organization globex is set up.\n' });
  });

  test('keys of another installation are refused: the database knows its own', async () => {
    const others = join(globex.folder, 'other-keys');
    await globex.sallyport('keys', 'create', others);
    const serve = start(process.execPath, [sallyport, 'serve'], {
      ...globex.environment,
      SALLYPORT_KEYS: others,
    });
    expect(await serve.ended).toBe(1);
    expect(serve.output()).toMatch(
      /The user CA key at file:user_ca.pem is SHA256:\S+, but this database knows generation 1 as SHA256:/,
    );
  });

  test("the demo's identity provider is refused at the start", async () => {
    const demo = await startIdentityProvider({
      port: 0,
      host: '127.0.0.1',
      clients: [{ clientId: 'ssh-access', clientSecret: 'x', redirectUris: ['http://localhost/x'] }],
      people: [],
      clock: () => new Date(),
    });
    const serve = start(process.execPath, [sallyport, 'serve'], {
      ...globex.environment,
      SALLYPORT_OIDC_ISSUER: demo.issuer,
    });
    expect(await serve.ended).toBe(1);
    expect(serve.output()).toContain('is the identity provider of the demo');
    await demo.close();
  });
});

describe('sallyport serve refuses to start', () => {
  test('with every problem of the settings at once, and with no secret in what it says', async () => {
    const serve = start(process.execPath, [sallyport, 'serve'], {
      DATABASE_URL: 'mysql://sallyport:hunter2@db/sallyport',
      SALLYPORT_PUBLIC_URL: 'http://ssh.example.com',
      SALLYPORT_LISTEN: 'everywhere',
      SALLYPORT_KEYS: '/nonexistent/keys',
      SALLYPORT_OIDC_ISSUER: 'http://login.example.com',
      SALLYPORT_OIDC_CLIENT_SECRET_FILE: '/nonexistent/secret',
      SALLYPORT_OIDC_CLAIM_GROUP: 'roles',
      SALLYPORT_TRUSTED_PROXIES: 'everybody',
    });
    expect(await serve.ended).toBe(1);
    const output = serve.output();
    expect(output).toMatch(/^sallyport: These settings need attention:\n/);
    expect(output).not.toContain('hunter2');
    expect([...output.matchAll(/^ {2}([A-Z_]+): /gm)].map(([, name]) => name).sort()).toEqual([
      'DATABASE_URL',
      'SALLYPORT_KEYS',
      'SALLYPORT_LISTEN',
      'SALLYPORT_OIDC_CLAIM_GROUP',
      'SALLYPORT_OIDC_CLIENT_ID',
      'SALLYPORT_OIDC_CLIENT_SECRET_FILE',
      'SALLYPORT_OIDC_ISSUER',
      'SALLYPORT_ORGANIZATION',
      'SALLYPORT_PUBLIC_URL',
      'SALLYPORT_TRUSTED_PROXIES',
    ]);
    expect(output).toContain('SALLYPORT_KEYS: The keys folder /nonexistent/keys is missing');
    expect(output).toContain('sallyport keys create /nonexistent/keys');
  });

  describe.skipIf(!hasPostgres)('on a database (needs Postgres)', () => {
    let globex: Installation;
    beforeAll(async () => {
      globex = await newInstallation();
      await globex.sallyport('keys', 'create', globex.keys);
    });
    afterAll(() => globex?.close());

    async function refusal(change: Readonly<Record<string, string>>): Promise<string> {
      const serve = start(process.execPath, [sallyport, 'serve'], { ...globex.environment, ...change });
      expect(await serve.ended).toBe(1);
      return serve.output();
    }

    test('that does not answer, without its password in what it says', async () => {
      const output = await refusal({ DATABASE_URL: 'postgres://sallyport:hunter2@127.0.0.1:1/sallyport' });
      expect(output).toContain('The database does not answer');
      expect(output).not.toContain('hunter2');
    });

    test('whose password is read from a file that is not there', async () => {
      const output = await refusal({ DATABASE_URL: '', DATABASE_URL_FILE: '/nonexistent/url' });
      expect(output).toContain("DATABASE_URL_FILE: /nonexistent/url can't be read (ENOENT)");
      expect(output).not.toContain(' DATABASE_URL:');
    });

    test('that holds no such organization', async () => {
      const output = await refusal({ SALLYPORT_ORGANIZATION: 'initech' });
      expect(output).toContain('the database holds no organization "initech"');
      expect(output).toContain('sallyport setup FILE');
    });

    test('that a newer version has migrated', async () => {
      const newer = await emptyPostgres();
      if (!newer) throw new Error('unreachable: skipped without Postgres');
      const client = new pg.Client({ connectionString: newer.url });
      await client.connect();
      await client.query('create table kysely_migration (name text primary key, timestamp text not null)');
      await client.query(`insert into kysely_migration values ('9999_from_the_future', '2099')`);
      await client.end();
      const output = await refusal({ DATABASE_URL: newer.url });
      expect(output).toContain('migrated by a newer version of Sallyport (it has 9999_from_the_future');
      await newer.drop();
    });
  });
});

async function certificateFile(globex: Installation, who: Parameters<Installation['home']>[0]) {
  const text = await readFile(join(globex.home(who), '.ssh', 'sallyport', 'identity.conf'), 'utf8');
  return /CertificateFile\s+"?([^"\n]+)"?/.exec(text)?.[1] ?? 'none';
}

async function certificateListing(globex: Installation, who: Parameters<Installation['home']>[0]) {
  return (await run(sshKeygen, ['-L', '-f', await certificateFile(globex, who)])).stdout;
}

async function lines(globex: Installation, name: string, text: string | Buffer): Promise<string> {
  const path = join(globex.folder, name);
  await writeFile(path, text);
  return path;
}

async function authorityOf(globex: Installation, replica: Replica): Promise<string> {
  globex.frontDoor.leadTo([replica.port]);
  return await (await fetch(new URL('/ssh/authority', globex.publicUrl))).text();
}

async function enrolBastion(globex: Installation, token: string): Promise<Enrolment> {
  const paths = companionPaths(join(globex.folder, 'bastion'), join(globex.folder, 'run'));
  const serverUrl = globex.publicUrl.origin;
  return await enrol({ paths, serverUrl, token, sshKeygen, kind: 'gateway' });
}

/** What OpenSSH says of the certificate with this state's KRL. */
async function revokedBy(globex: Installation, state: CompanionState, certificate: string): Promise<boolean> {
  const krl = await lines(globex, `krl-${state.version}`, Buffer.from(state.krl.data, 'base64'));
  return await run(sshKeygen, ['-Q', '-f', krl, certificate]).then(
    () => false,
    (error: { stdout: string }) => {
      expect(error.stdout).toContain('REVOKED');
      return true;
    },
  );
}
