/** Plain `ssh` at a real sshd while the certificate is being replaced, and after a renewal that was killed. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { narrowedPaths } from '../../src/cli/narrowed-paths.ts';
import { rotationSteps } from '../../src/cli/rotate-pair.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { goodKrl } from '../gateway/krl-damage.ts';
import { type HandMadeSshd, hasSshd, ownLogin, startHandMadeSshd } from './hand-made-sshd.ts';
import { Person } from './person.ts';
import { ServerDouble } from './server-double.ts';

const shop = { project: 'shop', environment: 'lab' };
const target = 'shop-lab--box.sallyport';

describe.skipIf(!hasSshd)('real logins (needs openssh-server)', () => {
  let folder: string;
  let host: HandMadeSshd;
  let server: ServerDouble;
  let alice: Person;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sally-logins-'));
    server = new ServerDouble();
    await server.start();
    const { publicKeyBlob } = server.userCa;
    host = await startHandMadeSshd(folder, (etc) => {
      writeFileSync(join(etc, 'user_ca.pub'), `${publicKeyLine({ blob: publicKeyBlob })}\n`);
      const otherCa = generateEd25519().publicKeyBlob;
      writeFileSync(join(etc, 'revoked_keys'), goodKrl({ version: 1n, ca: publicKeyBlob, otherCa }));
    });
    host.letIn('role:demo:shop:lab:admin');
    const place = { address: '127.0.0.1', port: host.port, login: ownLogin };
    server.configuration.targets = [{ name: 'shop-lab--box', gateway: null, ...place, narrow_to: shop }];
  });
  afterAll(async () => {
    await host?.sshd.stop();
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    alice = new Person();
    await alice.login(server.url);
    mkdirSync(alice.paths.sshFolder, { recursive: true });
    writeFileSync(join(alice.paths.sshFolder, 'known_hosts'), host.knownHostsLine);
    await alice.sally(['cert', 'ensure', '--environment', 'shop/lab']);
  });
  afterEach(() => {
    alice.remove();
    expect(server.failures).toEqual([]);
  });

  const narrowed = () => narrowedPaths(alice.paths, shop);
  const login = () => alice.sshAsync(['-o', 'BatchMode=yes', target, 'echo in']);
  const current = () =>
    /^CertificateFile "(.*)"$/m.exec(readFileSync(narrowed().identity, 'utf8'))?.[1] ?? '';
  const serialNow = () => parseCertificateLine(readFileSync(current(), 'utf8')).serial;

  test('[seeds 4] 50 of plain ssh while the certificate is replaced: all get in, by one renewal', async () => {
    const issued = server.issued;
    const before = serialNow();
    rmSync(narrowed().renewAfter);
    const runs = await Promise.all(Array.from({ length: 50 }, login));
    expect(new Set(runs.map(({ code, stdout, stderr }) => `${code} ${stdout}${stderr}`))).toEqual(
      new Set(['0 in\n']),
    );
    expect(server.issued).toBe(issued + 1);
    expect(serialNow()).not.toBe(before);
  });

  test.each(rotationSteps)(
    '[seeds 4] [abuse 122] a renewal killed after %s: the next ssh gets in',
    async (step) => {
      const child = join(import.meta.dirname, 'rotation-child.ts');
      const running = spawn(process.execPath, [child, alice.home, step, 'shop/lab'], { stdio: 'inherit' });
      const signal = await new Promise((resolve) => running.on('close', (_code, name) => resolve(name)));
      expect(signal).toBe('SIGKILL');
      expect(await login()).toEqual({ code: 0, stdout: 'in\n', stderr: '' });
    },
  );
});
