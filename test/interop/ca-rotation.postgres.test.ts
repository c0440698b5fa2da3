import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCaKeys } from '../../src/ca/ca-key-store.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../src/ca/certificate-authority.ts';
import { retireCaKey, retireExpired } from '../../src/ca/retire-ca-key.ts';
import { type CaKeyChange, rotateCaKey } from '../../src/ca/rotate-ca-key.ts';
import { openPostgres } from '../../src/database/open-postgres.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { type LocalSshd, startLocalSshd } from '../../src/dev/local-sshd.ts';
import { createFeed, type Feed } from '../../src/feed/feed.ts';
import { endSession } from '../../src/sessions/end-session.ts';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { fingerprint } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { requestFor, stolenKey } from '../ca/sample-authority.ts';
import { hasPostgres } from '../database/fresh-database.ts';
import { type MachineOnFeed, machineOnFeed } from '../feed/machine-on-feed.ts';
import { freePort } from '../gateway/ssh-client.ts';
import { startTestServer, type TestPerson, type TestServer } from '../http/test-server.ts';
import { temporaryFolder } from './ssh-keygen.ts';

const run = promisify(execFile);
const sshd = '/usr/sbin/sshd';
/** Others hear of a change within milliseconds; a limit against hanging. */
const patiently = { timeout: 30_000 };
const isPossible = hasPostgres && existsSync(sshd) && existsSync('/usr/bin/ssh');

describe.skipIf(!isPossible)('CA keys at a real sshd (needs Postgres and openssh-server)', () => {
  const folder = temporaryFolder();
  const servers: { authority: CertificateAuthority; feed: Feed; close(): Promise<void> }[] = [];
  let server: TestServer;
  let carol: TestPerson;
  let bob: TestPerson;
  let gateway: MachineOnFeed;
  let listener: LocalSshd;
  let port: number;

  beforeAll(async () => {
    server = await startTestServer();
    bob = await server.person('bob', 'contributor');
    carol = await server.person('carol', 'contributor');
    for (let number = 0; number < 2; number += 1) servers.push(await anotherServer());
    gateway = await machineOnFeed(server, server.shop.gatewayId, folder.path('gateway'));
    await gateway.listen(at(0).feed);
    await gateway.installed(() => true);
    port = await freePort();
    listener = await startSshd();
  });
  afterAll(async () => {
    await listener?.stop();
    for (const each of servers) await each.close();
    await server?.close();
    if (gateway) await rm(dirname(gateway.paths.stateFolder), { recursive: true, force: true });
  });

  /** One more replica, with a connection of its own to hear by. */
  async function anotherServer() {
    const { held, publicUrl, clock } = server;
    const database = await openPostgres({ url: server.database.url ?? '' });
    const common = { database, clock: () => clock.now };
    const authority = await createCertificateAuthority({ ...common, ...held, domain: publicUrl.hostname });
    const onError = (error: unknown) => void gateway.problems.push(String(error));
    const feed = await createFeed({ ...common, authority, publicUrl, onError });
    const close = async () => {
      await feed.close();
      await authority.close();
      await database.close();
    };
    return { authority, feed, close };
  }

  function at(index: number) {
    const found = servers[index % servers.length];
    if (found === undefined) throw new Error('no server');
    return found;
  }

  /** Trusts what the companion has installed, and nothing else. */
  async function startSshd(): Promise<LocalSshd> {
    const isBare = process.getuid?.() === 0 && !existsSync('/run/sshd');
    const lines = [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${folder.write('host', generateEd25519().openssh('host'))}`,
      `TrustedUserCAKeys ${gateway.paths.userAuthorities}`,
      `RevokedKeys ${gateway.paths.revokedKeys}`,
      `AuthorizedPrincipalsFile ${folder.write('principals', `${carol.account}\n${bob.account}\n`)}`,
      'AuthorizedKeysFile none',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'UsePAM no',
      'StrictModes no',
      'MaxStartups 100',
      'PidFile none',
      'LogLevel VERBOSE',
    ];
    return await startLocalSshd({
      folder: folder.path('sshd'),
      sshd,
      address: '127.0.0.1',
      port,
      configuration: lines.map((line) => `${line}\n`).join(''),
      ...(isBare ? { namespace: { binds: [] } } : {}),
    });
  }

  interface Held {
    readonly line: string;
    readonly key: GeneratedKey;
  }

  async function issue(authority: CertificateAuthority, { sessionId } = carol): Promise<Held> {
    const key = generateEd25519();
    const request = await requestFor(authority, sessionId, key);
    const { certificate } = await authority.issueUserCertificate({ sessionId, request });
    return { line: certificate, key };
  }

  /** Null if sshd let them in, else what it said. */
  async function refusal({ line, key }: Held): Promise<string | null> {
    const name = randomBytes(6).toString('hex');
    const identity = folder.write(name, key.openssh('test'));
    folder.write(`${name}-cert.pub`, `${line}\n`);
    const options = ['IdentitiesOnly=yes', 'IdentityAgent=none', 'BatchMode=yes', 'StrictHostKeyChecking=no'];
    const args = [...options, 'UserKnownHostsFile=/dev/null', `Port=${port}`].flatMap((option) => [
      '-o',
      option,
    ]);
    return await run('/usr/bin/ssh', [
      '-F',
      '/dev/null',
      ...args,
      '-i',
      identity,
      `${userInfo().username}@127.0.0.1`,
      'true',
    ]).then(
      () => null,
      ({ stderr }: { stderr: string }) => stderr,
    );
  }

  function change(now = server.clock.now): CaKeyChange {
    return { db: server.database.db, ...server.held, now, by: 'test' };
  }

  /** Fingerprints of what the installed state lets people in with. */
  function trusted(): string[] {
    const { user_authorities = [] } = gateway.installer.installed ?? {};
    return user_authorities.map(({ canary }) => fingerprint(parseCertificateLine(canary).caPublicKey));
  }

  async function fingerprintOf(generation: number): Promise<string> {
    const keys = await readCaKeys(server.database.db);
    const found = keys.find((key) => key.purpose === 'user' && key.generation === generation);
    return fingerprint(found?.publicKey ?? Buffer.alloc(0));
  }

  test('[abuse 109] a rotation under load loses no login, and what was revoked before it stays revoked', async () => {
    const revoked = await issue(at(1).authority, bob);
    expect(await refusal(revoked)).toBeNull();
    await inTransaction(server.database.db, (tx) =>
      endSession(tx, { sessionId: bob.sessionId, reason: 'revoked', by: 'test' }, server.clock.now),
    );
    await gateway.installed(({ ended_sessions }) => ended_sessions.includes(bob.sessionId));
    expect(await refusal(revoked)).toMatch(/Permission denied/);

    const logins: { by: string; server: number; refusal: string | null }[] = [];
    let isOver = false;
    const heard = new EventTarget();
    const load = servers.map(async ({ authority }, index) => {
      while (!isOver) {
        const held = await issue(authority);
        const by = fingerprint(parseCertificateLine(held.line).caPublicKey);
        logins.push({ by, server: index, refusal: await refusal(held) });
        heard.dispatchEvent(new Event('login'));
      }
    });
    /** Each server has certified somebody by this key, who came in, since now. */
    const loggedInBy = async (by: string) => {
      const from = logins.length;
      for (const index of servers.keys()) {
        const found = () => logins.slice(from).some((login) => login.by === by && login.server === index);
        while (!found())
          await new Promise((resolve) => heard.addEventListener('login', resolve, { once: true }));
      }
    };
    try {
      const first = await fingerprintOf(1);
      await loggedInBy(first);
      expect(await rotateCaKey(change(), { purpose: 'user' })).toMatchObject({
        did: 'created',
        generation: 2,
      });
      const next = await fingerprintOf(2);
      await gateway.installed(() => trusted().includes(next));
      await loggedInBy(first);

      // The servers and the gateway report that they know it.
      await expect
        .poll(() => rotateCaKey(change(), { purpose: 'user' }).then(({ did }) => did, String), patiently)
        .toBe('activated');
      await loggedInBy(next);
      expect(await refusal(revoked)).toMatch(/Permission denied/);
      expect(trusted()).toEqual([first, next]);

      const anHourAfterTheLast = new Date(server.clock.now.getTime() + 3 * 3_600_000);
      expect(await retireExpired(server.database.db, server.clock.now)).toBe(0);
      expect(await retireExpired(server.database.db, anHourAfterTheLast)).toBe(1);
      await gateway.installed(() => !trusted().includes(first));
      await loggedInBy(next);
      expect(await refusal(revoked)).toMatch(/Permission denied/);
    } finally {
      isOver = true;
      await Promise.all(load);
    }
    expect(logins.filter((login) => login.refusal !== null)).toEqual([]);
    expect(gateway.problems).toEqual([]);
  });

  test('what a stolen key signs is refused once the push is installed, with serials that were never given too', async () => {
    await rotateCaKey(change(), { purpose: 'user', now: true });
    const keys = await readCaKeys(server.database.db);
    const active = keys.find(({ purpose, state }) => purpose === 'user' && state === 'active');
    await gateway.installed(() => trusted().includes(fingerprint(active?.publicKey ?? Buffer.alloc(0))));
    const thief = stolenKey(active?.signer ?? '');
    const key = generateEd25519();
    const toBeSigned = encodeToBeSigned({
      ...parseCertificateLine((await issue(at(0).authority)).line),
      publicKey: key.publicKeyBlob,
      serial: 4_242n,
    });
    const blob = assembleCertificate(toBeSigned, signWithKey(thief.privateKey, toBeSigned));
    const forged = { line: certificateLine(blob), key };
    expect(await refusal(forged)).toBeNull();

    const { replacedBy, stateVersion } = await retireCaKey(change(), {
      purpose: 'user',
      generation: active?.generation ?? 0,
      compromised: true,
    });
    await gateway.installed(({ version }) => BigInt(version) >= stateVersion);
    expect(await refusal(forged)).toMatch(/Permission denied/);
    expect(trusted()).toContain(await fingerprintOf(replacedBy ?? 0));
    expect(trusted()).not.toContain(fingerprint(thief.publicKeyBlob));
    // The session lives, and gets a certificate by the new key without a login.
    for (const { authority } of servers) expect(await refusal(await issue(authority))).toBeNull();
    expect(gateway.problems).toEqual([]);

    // Not by its place among the trusted keys alone: the list itself refuses whatever it signs.
    const query = await run('/usr/bin/ssh-keygen', [
      '-Q',
      '-f',
      gateway.paths.revokedKeys,
      folder.write('forged-cert.pub', `${forged.line}\n`),
    ]).catch(({ stdout }: { stdout: string }) => ({ stdout }));
    expect(query.stdout).toContain('REVOKED');
  });
});
