/** docs/hosts-by-hand.md, done word for word: its commands, its script, its three lines, a real sshd and the server. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { krlAudience, krlMessage } from '../../src/api/companions.ts';
import { revokeUntrueCertificates } from '../../src/ca/revoke-untrue-certificates.ts';
import { rotateCaKey } from '../../src/ca/rotate-ca-key.ts';
import { type LocalSshd, startLocalSshd } from '../../src/dev/local-sshd.ts';
import { isProgram } from '../../src/gateway/programs.ts';
import { type ProgramResult, runProgram } from '../../src/gateway/run-program.ts';
import { certificateLine } from '../../src/ssh/encode-certificate.ts';
import { encodeKrl } from '../../src/ssh/encode-krl.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { parseKrl } from '../../src/ssh/parse-krl.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { signSshsig } from '../../src/ssh/sshsig.ts';
import { requestFor } from '../ca/sample-authority.ts';
import { root } from '../dev/started-program.ts';
import { canary, damages, goodKrl } from '../gateway/krl-damage.ts';
import { freePort } from '../gateway/ssh-client.ts';
import { TestAuthority } from '../gateway/test-authority.ts';
import { startTestServer, type TestPerson, type TestServer } from '../http/test-server.ts';
import { docsPage } from '../structure/docs-page.ts';
import { temporaryFolder } from './ssh-keygen.ts';

const page = docsPage('hosts-by-hand.md');
const script = join(root, 'deploy/host-by-hand/sallyport-krl.sh');
const canRun = ['/usr/sbin/sshd', '/usr/bin/ssh', '/usr/bin/curl'].every(isProgram);
const login = userInfo().username;

describe.skipIf(!canRun)('a host by hand (needs openssh-server, curl)', () => {
  const files = temporaryFolder();
  const folder = files.path('etc');
  const state = files.path('state');
  let server: TestServer;
  let url: string;
  let sshd: LocalSshd;
  let port: number;
  let admin: TestPerson;

  beforeAll(async () => {
    const listen = await freePort();
    url = `http://127.0.0.1:${listen}`;
    server = await startTestServer({ publicUrl: url });
    await server.app.listen({ host: '127.0.0.1', port: listen });
    admin = await server.person('admin', 'admin');
    for (const block of [
      ...page.blocks('sh', '## Whom it trusts'),
      ...page.blocks('sh', '## The revocation list'),
    ]) {
      const { status, stderr } = await runProgram('/bin/sh', ['-euc', here(block)]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: expect.not.stringContaining('rror') });
    }
    const [who = ''] = page.blocks('text', '## Who may log in');
    await writeFile(join(folder, 'principals', login), who);
    port = await freePort();
    sshd = await startSshd(here(page.blocks('sshd_config', '## The three lines')[0] ?? ''));
  });
  afterAll(async () => {
    await sshd?.stop();
    await server?.close();
  });

  /** The page's text with the places of this test. */
  function here(text: string): string {
    return text
      .replaceAll(
        '/usr/local/sbin/sallyport-krl https://ssh.example.com',
        `${bin()} ${url} ${folder} ${state}`,
      )
      .replaceAll('/usr/local/sbin/sallyport-krl', bin())
      .replaceAll('/etc/ssh/sallyport', folder)
      .replaceAll('https://ssh.example.com', url)
      .replaceAll('deploy/host-by-hand', join(root, 'deploy/host-by-hand'));
  }

  function bin(): string {
    return files.path('sallyport-krl');
  }

  async function startSshd(threeLines: string): Promise<LocalSshd> {
    expect(threeLines.trim().split('\n')).toHaveLength(3);
    const surroundings = [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${files.write('host', generateEd25519().openssh('host'))}`,
      'AuthorizedKeysFile none',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'UsePAM no',
      'StrictModes no',
      'PidFile none',
    ];
    const isBare = process.getuid?.() === 0 && !existsSync('/run/sshd');
    return await startLocalSshd({
      folder: files.path('sshd'),
      sshd: '/usr/sbin/sshd',
      address: '127.0.0.1',
      port,
      configuration: `${threeLines}${surroundings.join('\n')}\n`,
      ...(isBare ? { namespace: { binds: [] } } : {}),
    });
  }

  const krl = (...more: string[]) => runProgram('/bin/sh', [script, url, folder, state, ...more]);

  interface Held {
    readonly key: GeneratedKey;
    readonly certificate: string;
  }

  async function certified({ sessionId }: TestPerson, isNarrowed = true): Promise<Held> {
    const key = generateEd25519();
    const request = await requestFor(server.authority, sessionId, key);
    const environment = { project: 'shop', environment: 'production' };
    const body = isNarrowed ? { ...request, environment } : request;
    const reply = await server.call('POST', '/v1/certificates', { as: { sessionId } as TestPerson, body });
    if (reply.statusCode !== 200) throw new Error(reply.json().detail);
    return { key, certificate: reply.json().certificate };
  }

  let logins = 0;
  async function getsIn({ key, certificate }: Held): Promise<boolean> {
    logins += 1;
    const identity = files.write(`id-${logins}`, key.openssh('test'));
    files.write(`id-${logins}-cert.pub`, `${certificate}\n`);
    const options = ['IdentitiesOnly=yes', 'IdentityAgent=none', 'BatchMode=yes', 'StrictHostKeyChecking=no'];
    const quiet = ['UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
    const { stdout } = await runProgram('/usr/bin/ssh', [
      ...['-F', 'none', '-i', identity, '-p', `${port}`, '-l', login],
      ...[...options, ...quiet].flatMap((option) => ['-o', option]),
      ...['127.0.0.1', 'echo you are in'],
    ]);
    return stdout === 'you are in\n';
  }

  test('lets contributors and admins of its environment in, with a second factor and a narrowed certificate', async () => {
    const carol = await server.person('carol', 'contributor');
    expect(await getsIn(await certified(carol))).toBe(true);
    expect(await getsIn(await certified(admin))).toBe(true);
    expect(await getsIn(await certified(carol, false))).toBe(false);
    expect(await getsIn(await certified(await server.person('viola', 'viewer')))).toBe(false);
    const nobody = await server.person('nobody', null);
    await expect(certified(nobody)).rejects.toThrow('There is no environment of this name');
  });

  test('does not without the second factor, nor longer than the environment lets it be old', async () => {
    const dora = await server.person('dora', 'contributor');
    const mfa = (values: object) =>
      server.database.db.updateTable('login_sessions').set(values).where('id', '=', dora.sessionId).execute();
    const { certificate } = await certified(dora);
    const { stdout } = await runProgram('/usr/bin/ssh-keygen', ['-L', '-f', '-'], { input: certificate });
    expect(stdout).toContain('mfa:role:acme:shop:production:contributor');
    // The factor is of this moment; a certificate starts a minute ago.
    const { validAfter, validBefore } = parseCertificateLine(certificate);
    expect(validBefore - validAfter).toBe(900n + 60n);
    await mfa({ mfa: false, mfa_by: null, amr: ['pwd'] });
    await expect(certified(dora)).rejects.toThrow('Run: sally login --mfa --max-age 900');
    // Where the environment asks for none, the certificate says none, and the file of the page still asks.
    const environments = server.database.db.updateTable('environments').where('slug', '=', 'production');
    await environments.set({ mfa_required: false }).execute();
    const without = await certified(dora);
    await environments.set({ mfa_required: true }).execute();
    expect(await getsIn(without)).toBe(false);
  });

  test('keeps a person out whose session was ended, from the next run of the timer on', async () => {
    const eve = await server.person('eve', 'contributor');
    const [evil, good] = [await certified(eve), await certified(admin)];
    expect(await getsIn(evil)).toBe(true);
    const reply = await server.call('POST', `/v1/sessions/${eve.sessionId}/revoke`, { as: admin });
    expect(reply.statusCode).toBe(200);
    expect(await krl()).toMatchObject({ status: 0, stderr: '' });
    expect([await getsIn(evil), await getsIn(good)]).toEqual([false, true]);
    const installed = await readFile(join(folder, 'revoked_keys'));
    expect(await readFile(join(state, 'version'), 'utf8')).toBe(`${parseKrl(installed).version}\n`);
    expect((await stat(join(folder, 'revoked_keys'))).mode & 0o777).toBe(0o644);
    // Nothing is left beside it.
    expect((await readdir(folder)).sort()).toEqual([
      'canaries.pub',
      'principals',
      'revoked_keys',
      'user_ca.pub',
    ]);
  });

  test('keeps a person out whose role was taken away, from the next look at what certificates say on', async () => {
    const ivan = await server.person('ivan', 'contributor');
    const held = await certified(ivan);
    expect(await getsIn(held)).toBe(true);
    await server.database.db.deleteFrom('access_rules').where('account_id', '=', ivan.accountId).execute();
    expect(await revokeUntrueCertificates(server.database.db, new Date())).toBeGreaterThan(0);
    expect(await krl()).toMatchObject({ status: 0, stderr: '' });
    expect(await getsIn(held)).toBe(false);
  });

  test('heals a list that somebody has damaged, at the next run', async () => {
    const installed = join(folder, 'revoked_keys');
    const good = await readFile(installed);
    for (const damage of [
      () => writeFile(installed, ''),
      () => writeFile(installed, Buffer.alloc(4096)),
      () => rm(installed),
      () => rm(installed).then(() => symlink('/dev/null', installed)),
    ]) {
      await damage();
      expect(await krl()).toMatchObject({ status: 0, stderr: '' });
      expect(await readFile(installed)).toEqual(good);
    }
  });

  test('refuses an older list than it has had, whichever file remembers that', async () => {
    const installed = join(folder, 'revoked_keys');
    const version = await readFile(join(state, 'version'), 'utf8');
    const newer = `${BigInt(version) + 1n}`;
    await writeFile(join(state, 'version'), `${newer}\n`);
    const before = await readFile(installed);
    const refused = {
      status: 1,
      stderr: expect.stringContaining(`list ${version.trim()}, which is older than`),
    };
    expect(await krl()).toMatchObject(refused);
    await rm(join(state, 'version'));
    const ahead = Buffer.from(before);
    ahead.writeBigUInt64BE(BigInt(newer), 12);
    await writeFile(installed, ahead);
    expect(await krl()).toMatchObject(refused);
    expect(await readFile(installed)).toEqual(ahead);
    await writeFile(installed, before);
    for (const damaged of ['', 'x\n', '-1\n', '99999999999999999999\n']) {
      await writeFile(join(state, 'version'), damaged);
      expect((await krl()).stderr).toContain(`${join(state, 'version')} is damaged`);
    }
    await writeFile(join(state, 'version'), version);
    expect(await krl()).toMatchObject({ status: 0 });
  });

  test('tells the log of the system what it refuses', async () => {
    const tools = files.path('tools');
    await mkdir(tools);
    await writeFile(join(tools, 'logger'), `#!/bin/sh\nprintf '%s|' "$@" >>${tools}/said\n`);
    await chmod(join(tools, 'logger'), 0o755);
    const args = [`PATH=${tools}:/usr/bin:/bin`, '/bin/sh', script, 'http://127.0.0.1:1', folder, state];
    expect((await runProgram('/usr/bin/env', args)).status).toBe(1);
    expect(await readFile(join(tools, 'said'), 'utf8')).toBe(
      '-s|-t|sallyport-krl|-p|auth.err|--|http://127.0.0.1:1/ssh/krl cannot be had; the revocation list stays as it is|',
    );
  });

  test('asks nobody but a server with TLS', async () => {
    const { status, stderr } = await runProgram('/bin/sh', [script, 'http://ssh.example.com', folder, state]);
    expect([status, stderr]).toEqual([1, expect.stringContaining('must be an https:// URL')]);
  });

  test('[seeds 40] believes a list of the key that it knows while the next one signs, and the next one once it knows it', async () => {
    const change = { db: server.database.db, ...server.held, now: server.clock.now, by: 'olga@example.com' };
    const early = await certified(admin);
    await rotateCaKey(change, { purpose: 'user' });
    await rotateCaKey(change, { purpose: 'user', now: true });
    const blocks = (await server.call('GET', '/ssh/krl.sig')).body.split('-----BEGIN SSH SIGNATURE-----');
    expect(blocks).toHaveLength(3);
    expect(await krl()).toMatchObject({ status: 0, stderr: '' });
    const newcomer = await certified(await server.person('fay', 'contributor'));
    expect(await getsIn(newcomer)).toBe(false);
    for (const block of page.blocks('sh', '## Whom it trusts'))
      await runProgram('/bin/sh', ['-euc', here(block)]);
    expect(await krl()).toMatchObject({ status: 0, stderr: '' });
    expect([await getsIn(newcomer), await getsIn(early)]).toEqual([true, true]);
    const canaries = (await readFile(join(folder, 'canaries.pub'), 'utf8')).trim().split('\n');
    expect(canaries).toHaveLength(2);
  });
});

describe.skipIf(!canRun)('a list that a host by hand is sent (needs curl)', () => {
  const files = temporaryFolder();
  const authority = new TestAuthority();
  const at = { version: 7n, ca: authority.userCa.publicKeyBlob, otherCa: generateEd25519().publicKeyBlob };
  const good = goodKrl(at);
  const older = 'what was there before';
  let server: Server;
  let url: string;
  /** By the first part of the path: list and signature. */
  const served = new Map<string, { readonly krl: Buffer; readonly signature: string }>();
  let count = 0;

  beforeAll(async () => {
    server = createServer(({ url: path = '' }, response) => {
      const [, name = '', , what] = path.split('/');
      const found = served.get(name);
      if (found === undefined) response.writeHead(404).end();
      else response.end(what === 'krl' ? found.krl : found.signature);
    });
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${port}`;
  });
  afterAll(async () => {
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve));
  });

  const sign = (version: string, data: Buffer, key = authority.userCa, namespace = 'krl@127.0.0.1') =>
    signSshsig({
      message: krlMessage(version, data),
      namespace,
      publicKeyBlob: key.publicKeyBlob,
      sign: (bytes) => signWithKey(key.privateKey, bytes),
    });

  const canaryLine = certificateLine(
    authority.userCertificate({
      account: 'canary@example.com',
      publicKey: generateEd25519().publicKeyBlob,
      sessionId: 'canary',
      serial: canary,
    }),
  );

  /** Sends it to a host of its own. @returns what the script said, and what sshd has then */
  async function sent(
    krl: Buffer,
    signature: string,
    canaries = canaryLine,
    lastEnd = '\n',
  ): Promise<ProgramResult & { installed: string | Buffer }> {
    count += 1;
    const name = `host-${count}`;
    served.set(name, { krl, signature });
    const folder = files.path(name);
    await mkdir(folder);
    await writeFile(join(folder, 'user_ca.pub'), `${publicKeyLine({ blob: at.ca })}\n`);
    await writeFile(join(folder, 'canaries.pub'), `${canaries}${lastEnd}`);
    await writeFile(join(folder, 'revoked_keys'), older);
    const ran = await runProgram('/bin/sh', [script, `${url}/${name}`, folder, join(folder, 'state')]);
    return { ...ran, installed: await readFile(join(folder, 'revoked_keys')) };
  }
  const refusedAs = (why: string) => ({
    status: 1,
    stderr: expect.stringContaining(why),
    installed: Buffer.from(older),
  });
  const open = damages.flatMap(({ effect, bytes, name, onlySignatureTells }) =>
    effect === 'everybody gets in' && bytes ? [{ name, onlySignatureTells, wrong: bytes(good, at) }] : [],
  );
  async function judged(krl: Buffer, signature: string): Promise<string> {
    const { status, stderr, installed } = await sent(krl, signature);
    return status === 1 && installed.toString() === older && /stays as it is/.test(stderr)
      ? 'refused'
      : `taken: ${stderr}`;
  }
  /** As many at once as do not disturb each other. */
  async function each<Row, Result>(
    rows: readonly Row[],
    work: (row: Row) => Promise<Result>,
  ): Promise<Result[]> {
    const results: Result[] = [];
    const queue = rows.entries();
    const worker = async () => {
      for (const [index, row] of queue) results[index] = await work(row);
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    return results;
  }

  test('is taken if it is whole and signed', async () => {
    expect(await sent(good, await sign('7', good))).toMatchObject({ status: 0, stderr: '', installed: good });
  });

  test('is refused if sshd would let the revoked in by it: with the signature of a good one, and with its own', async () => {
    expect(open.length).toBeGreaterThan(15);
    const ofGood = await sign('7', good);
    const onTheWay = await each(open, async ({ name, wrong }) => [name, await judged(wrong, ofGood)]);
    expect(onTheWay).toEqual(open.map(({ name }) => [name, 'refused']));
    const byTheCa = open.filter(({ onlySignatureTells }) => !onlySignatureTells);
    const signed = await each(byTheCa, async ({ name, wrong }) => [
      name,
      await judged(wrong, await sign('7', wrong)),
    ]);
    expect(signed).toEqual(byTheCa.map(({ name }) => [name, 'refused']));
  });

  test('is refused with a signature over another version, of another key, or for another purpose', async () => {
    const unsigned = refusedAs('has signed list 7');
    expect(await sent(good, await sign('8', good))).toMatchObject(unsigned);
    expect(await sent(good, await sign('7', good, generateEd25519()))).toMatchObject(unsigned);
    expect(await sent(good, await sign('7', good, authority.userCa, 'pop@127.0.0.1'))).toMatchObject(
      unsigned,
    );
    expect(await sent(good, '')).toMatchObject(unsigned);
  });

  test('is refused if it was cut for a machine that knows other people, though the CA has signed it', async () => {
    const comment = `sallyport 127.0.0.1${krlAudience('gateway', ['alice@example.com'])}`;
    const cut = encodeKrl({
      version: 7n,
      generatedAt: 1_800_000_000n,
      comment,
      sections: [{ kind: 'certificates', caPublicKey: at.ca, serials: [canary] }],
    });
    expect(await sent(cut, await sign('7', cut))).toMatchObject(refusedAs('cut for another machine'));
  });

  test('is refused where no canary is known, and where one of several is not revoked', async () => {
    const signature = await sign('7', good);
    expect(await sent(good, signature, '')).toMatchObject(refusedAs('canaries.pub is empty'));
    const other = certificateLine(
      authority.userCertificate({
        account: 'canary@example.com',
        publicKey: generateEd25519().publicKeyBlob,
        sessionId: 'canary',
        serial: 4n,
      }),
    );
    const both = `${canaryLine}\n${other}`;
    for (const lastEnd of ['\n', '']) {
      const ran = await sent(good, signature, both, lastEnd);
      expect(ran).toMatchObject(refusedAs('does not revoke a canary'));
    }
  });
});
