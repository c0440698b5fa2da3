import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  canGenerateNames,
  inNamespace,
  namespaceCommand,
  writeNsswitch,
} from '../../src/dev/local-sshd-namespace.ts';
import { nameFiles } from '../../src/gateway/names.ts';
import { writeNames } from '../../src/gateway/write-names.ts';
import { briefly, root, start } from '../dev/started-program.ts';

const hasSshd = existsSync('/usr/sbin/sshd');
const run = promisify(execFile);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-kept-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test.skipIf(!hasSshd || !canGenerateNames())('every step holds for an ordinary user too', async () => {
  const names = join(folder, 'names');
  const nsswitch = join(folder, 'nsswitch.conf');
  await mkdir(names);
  await chmod(folder, 0o755);
  await writeNsswitch(nsswitch);
  const uid = 54_242;
  await writeNames(names, nameFiles([{ name: 'dana', uid, home: folder, shell: '/bin/sh' }]));
  const binds = [
    { from: nsswitch, to: inNamespace.nsswitch },
    { from: names, to: inNamespace.extrausers },
  ] as const;
  const ids = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups'];
  const asDana = ['/usr/bin/setpriv', ...ids, process.execPath, briefly, join(root, 'src', 'tour.ts')];
  const [program = '', ...args] = namespaceCommand({ binds }, asDana);
  const tour = start(program, args);
  expect(await tour.ended, tour.output()).toBe(0);
  expect(tour.output()).toContain('hello from dana');
});

test.skipIf(!hasSshd)(
  'every step of the tour holds, and what it keeps can be checked with ssh-keygen',
  async () => {
    const json = join(folder, 'steps.json');
    const keep = join(folder, 'kept');
    const tour = start(process.execPath, [
      briefly,
      join(root, 'src', 'tour.ts'),
      '--json',
      json,
      '--keep',
      keep,
    ]);
    const status = await tour.ended;
    expect(status, tour.output()).toBe(0);

    const { steps } = JSON.parse(await readFile(json, 'utf8'));
    expect(steps.length).toBeGreaterThan(10);
    expect(steps.every((step: { held: boolean }) => step.held)).toBe(true);

    expect((await readdir(keep)).sort()).toEqual([
      'alice-cert.pub',
      'bob-cert.pub',
      'krl-after',
      'krl-before',
      'refusal.txt',
      'sshd-gateway.log',
      'sshd-target.log',
      'user_ca.pub',
    ]);
    const isRevoked = (krl: string, certificate: string) =>
      run('/usr/bin/ssh-keygen', ['-Q', '-f', join(keep, krl), join(keep, certificate)]).then(
        () => false,
        () => true,
      );
    expect(await isRevoked('krl-before', 'bob-cert.pub')).toBe(false);
    expect(await isRevoked('krl-after', 'bob-cert.pub')).toBe(true);
    expect(await isRevoked('krl-after', 'alice-cert.pub')).toBe(false);
    expect(await readFile(join(keep, 'refusal.txt'), 'utf8')).toMatch(/^Parameters: \{"amr":\["mfa"\]\}$/m);
  },
);
