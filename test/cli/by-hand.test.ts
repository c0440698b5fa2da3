/**
 * Plain `ssh` to hosts without a companion, end to end: the server, `sally`, the fast path, and sshd as
 * docs/hosts-by-hand.md and deploy/host-by-hand set it up.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { narrowedPaths } from '../../src/cli/narrowed-paths.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createApp } from '../../src/inventory/app.ts';
import { createEnvironment } from '../../src/inventory/environment.ts';
import { createInstance } from '../../src/inventory/instance.ts';
import { root } from '../dev/started-program.ts';
import { sshKeygenOutput } from '../interop/ssh-keygen.ts';
import { docsPage } from '../structure/docs-page.ts';
import { type Demo, type DemoPerson, startDemo } from './demo-person.ts';
import { type HandMadeSshd, hasSshd, ownLogin, startHandMadeSshd } from './hand-made-sshd.ts';
import { run, runAsync } from './person.ts';
import { readFrom } from './tunnels/tunnel-world.ts';

const script = join(root, 'deploy/host-by-hand/sallyport-krl.sh');
const roleIn = (environment: string) => `mfa:role:acme:shop:${environment}:contributor`;
const lab = { project: 'shop', environment: 'lab' };

describe.skipIf(!hasSshd)('a host without a companion (needs openssh-server, curl)', () => {
  let folder: string;
  let demo: Demo;
  let host: HandMadeSshd;
  let alice: DemoPerson;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sally-by-hand-'));
    demo = await startDemo();
    alice = demo.nextAdmin();
    host = await startHandMadeSshd(folder, async (etc) => {
      for (const block of docsPage('hosts-by-hand.md').blocks('sh', '## Whom it trusts')) {
        const text = block
          .replaceAll('/etc/ssh/sallyport', etc)
          .replaceAll('https://ssh.example.com', server());
        expect((await runAsync('/bin/sh', ['-euc', text])).code).toBe(0);
      }
      expect((await krl(etc)).code).toBe(0);
    });
    await inTransaction(demo.dev.database.db, async (tx) => {
      const projects = tx.selectFrom('projects').select('id').where('slug', '=', 'shop');
      const { id: projectId } = await projects.executeTakeFirstOrThrow();
      for (const slug of ['lab', 'attic']) {
        const environmentId = await createEnvironment(tx, { projectId, slug, kind: 'staging' });
        const appId = await createApp(tx, { environmentId, slug: 'box' });
        const place = { address: '127.0.0.1', port: host.port, login: ownLogin, hostId: null };
        await createInstance(tx, { appId, instanceSlug: null, ...place });
      }
    });
    await alice.login();
    writeFileSync(join(alice.machine.paths.sshFolder, 'known_hosts'), host.knownHostsLine);
    host.letIn(roleIn('lab'));
  }, 60_000);
  afterAll(async () => {
    await host?.sshd.stop();
    await demo?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const server = () => demo.dev.publicUrl.origin;
  const krl = (etc: string) => runAsync('/bin/sh', [script, server(), etc, join(folder, 'krl-state')]);
  const narrowed = (environment: string) =>
    narrowedPaths(alice.machine.paths, { project: 'shop', environment });
  const identity = (environment: string) => readFileSync(narrowed(environment).identity, 'utf8');
  const certificateIn = (text: string) => /^CertificateFile "(.*)"$/m.exec(text)?.[1] ?? '';
  const getsIn = async (environment: string) =>
    (await alice.ssh([`shop-${environment}--box.sallyport`, 'echo in'])).stdout === 'in\n';

  test('lets in by the role that a certificate names which plain ssh has got by itself', async () => {
    const general = alice.machine.identity();
    const { code, stdout, stderr } = await alice.ssh(['-v', 'shop-lab--box.sallyport', 'echo in']);
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: 'in\n' });
    const certificate = certificateIn(identity('lab'));
    expect(sshKeygenOutput(['-L', '-f', certificate])).toContain(roleIn('lab'));
    // That one alone is offered, and the general one stays as it is.
    expect(stderr.match(/Offering public key: .*/g)).toEqual([
      expect.stringContaining('/environments/shop/lab/'),
    ]);
    expect(alice.machine.identity()).toBe(general);
    expect(sshKeygenOutput(['-L', '-f', certificateIn(general)])).not.toContain('role:');
  });

  test('asks nobody while the certificate is good, and renews it when it is due', async () => {
    const before = identity('lab');
    expect(await getsIn('lab')).toBe(true);
    expect(identity('lab')).toBe(before);
    rmSync(narrowed('lab').renewAfter);
    expect(await getsIn('lab')).toBe(true);
    expect(identity('lab')).not.toBe(before);
  });

  test('of another environment takes only a certificate of its own', async () => {
    expect(await getsIn('attic')).toBe(false);
    expect(sshKeygenOutput(['-L', '-f', certificateIn(identity('attic'))])).toContain(roleIn('attic'));
    host.letIn(roleIn('lab'), roleIn('attic'));
    expect([await getsIn('attic'), await getsIn('lab')]).toEqual([true, true]);
    host.letIn(roleIn('lab'));
    expect([await getsIn('attic'), await getsIn('lab')]).toEqual([false, true]);
  });

  test('is reached by sally ssh too, which says how', async () => {
    const { stdout } = await alice.sally(['ssh', 'shop-lab--box', '--pipe']);
    expect(stdout).toBe(`${ownLogin}@shop-lab--box.sallyport`);
  });

  test('has tunnels to what it reaches, by the certificate of its environment alone', async () => {
    const service = createServer((socket) => socket.end('a word\n'));
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    const { port } = service.address() as AddressInfo;
    const { db } = demo.dev.database;
    const labs = db.selectFrom('environments').select('id').where('slug', '=', 'lab');
    const { id: environment_id } = await labs.executeTakeFirstOrThrow();
    const place = { address: '127.0.0.1', port, login: null, database: null };
    await db
      .insertInto('services')
      .values({ environment_id, slug: 'word', kind: 'telnet', ...place })
      .execute();
    const forPrograms = { HOME: alice.machine.home, PATH: '/usr/bin:/bin' };
    const opened = await alice.sally(['tunnel', 'open', 'shop-lab', '--json'], {
      environment: { forPrograms },
    });
    try {
      expect(opened.code, opened.stderr).toBe(0);
      const { status, services } = JSON.parse(opened.stdout);
      expect([status, services[0].name]).toEqual(['up', 'word']);
      expect(await readFrom(services[0].port)).toBe('a word\n');
    } finally {
      await alice.sally(['tunnel', 'close', '--all']);
      service.close();
    }
  });

  test('is not believed where nobody has written its key down, and nobody is asked', async () => {
    const known = join(alice.machine.paths.sshFolder, 'known_hosts');
    rmSync(known);
    const { code, stderr } = await alice.ssh(['shop-lab--box.sallyport', 'echo in']);
    writeFileSync(known, host.knownHostsLine);
    expect(code).toBe(255);
    expect(stderr).toContain('Host key verification failed');
  });

  test('gets nothing of ours where it is not one of ours: no program runs, no key is offered', async () => {
    const known = ['-o', `UserKnownHostsFile=${join(alice.machine.paths.sshFolder, 'known_hosts')}`];
    const { stderr } = await alice.ssh([
      '-v',
      ...known,
      '-p',
      `${host.port}`,
      `${ownLogin}@127.0.0.1`,
      'true',
    ]);
    expect(stderr).toContain('Permission denied');
    expect(stderr).not.toMatch(/Executing command|Offering public key|Will attempt key: .*sallyport/);
  });

  test('lets nobody in whose session was ended, from the next run of its timer on', async () => {
    const copy = join(folder, 'stolen');
    cpSync(dirname(certificateIn(identity('lab'))), copy, { recursive: true });
    const known = `UserKnownHostsFile=${join(alice.machine.paths.sshFolder, 'known_hosts')}`;
    const stolen = () =>
      run('ssh', [
        ...[
          '-F',
          'none',
          '-o',
          known,
          '-o',
          'BatchMode=yes',
          '-o',
          'IdentitiesOnly=yes',
          '-o',
          'IdentityAgent=none',
        ],
        ...['-i', join(copy, 'id_ed25519'), '-p', `${host.port}`, `${ownLogin}@127.0.0.1`, 'echo in'],
      ]).stdout;
    expect(stolen()).toBe('in\n');
    expect((await alice.sally(['logout'])).code).toBe(0);
    expect((await krl(host.etc)).code).toBe(0);
    expect(stolen()).toBe('');
    // Nor does anything else get offered in its place.
    const { code, stderr } = await alice.ssh(['-v', 'shop-lab--box.sallyport', 'true']);
    expect(code).toBe(255);
    expect(stderr).not.toContain('Offering public key');
    expect(readFileSync(alice.machine.paths.byHand, 'utf8')).toContain(
      `fresh ${lab.project}/${lab.environment}"`,
    );
  });
});
