import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root, start } from '../dev/started-program.ts';

const hasSshd = existsSync('/usr/sbin/sshd');
const run = promisify(execFile);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-kept-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test.skipIf(!hasSshd)(
  'every step of the tour holds, and what it keeps can be checked with ssh-keygen',
  async () => {
    const json = join(folder, 'steps.json');
    const keep = join(folder, 'kept');
    const tour = start(process.execPath, [join(root, 'src', 'tour.ts'), '--json', json, '--keep', keep]);
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
