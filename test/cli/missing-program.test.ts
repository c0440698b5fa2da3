/** [seeds 66]: without ssh (or scp, sftp, rsync) every wrapper says so, and how to install it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { installHint } from '../../src/cli/missing-program.ts';
import { programRunner } from '../../src/cli/run-program.ts';
import { Person } from './person.ts';
import { sampleTarget } from './reach/sample-targets.ts';
import { account, ServerDouble } from './server-double.ts';

const name = 'shop-staging--web';
let server: ServerDouble;
let alice: Person;
beforeAll(async () => {
  server = new ServerDouble();
  await server.start();
  const gateway = { name: 'gate', address: '127.0.0.1', ports: [22], login: null, fingerprint: null };
  server.answers['GET /v1/targets'] = {
    account,
    targets: [sampleTarget(name, { journal_unit: 'web.service' })],
    gateways: [gateway],
    empty_apps: [],
    next: null,
  };
  alice = new Person();
  await alice.login(server.url);
});
afterAll(async () => {
  await server.stop();
  alice.remove();
});

const nowhere = { PATH: '/nonexistent' };
const withoutPrograms = {
  environment: { forPrograms: nowhere, stdinIsTerminal: false },
  runProgram: programRunner(nowhere),
};

test.each([
  ['ssh', ['ssh', name, '--', 'true']],
  ['scp', ['scp', 'file', `${name}:`]],
  ['sftp', ['sftp', name]],
  ['rsync', ['rsync', 'file', `${name}:`]],
  ['scp', ['upload', '--to', name, 'package.json']],
  ['scp', ['download', '--from', name, 'file']],
  ['ssh', ['logs', name, '--no-follow']],
  ['ssh', ['bastion', 'open', 'me@bastion.example.com']],
])('[seeds 66] %s is not installed: %j', async (program, argv) => {
  const { code, stdout, stderr } = await alice.sally(argv, withoutPrograms);
  expect(code).toBe(1);
  expect(stdout).toBe('');
  const hint = installHint(program, process.platform);
  expect(hint).toBeDefined();
  const line = new RegExp(
    `^sally: ${program}( of OpenSSH)? is not installed here, or not in PATH\\. To install it: `,
  );
  const last = stderr.trim().split('\n').at(-1) ?? '';
  expect(last).toMatch(line);
  expect(last).toContain(hint);
  // No word of how that came about inside.
  expect(stderr).not.toMatch(/ENOENT|spawn|^ +at |unexpected/m);
});

test.each([
  ['linux', 'ssh', 'apt install openssh-client'],
  ['linux', 'rsync', 'dnf install rsync'],
  ['darwin', '/usr/bin/ssh', 'brew install openssh'],
  ['win32', 'C:\\Windows\\System32\\OpenSSH\\ssh', 'Add-WindowsCapability'],
  ['win32', 'rsync', 'sally scp'],
  ['freebsd', 'sftp', 'look for OpenSSH'],
])('[seeds 66] on %s the hint for %s is that system’s', (platform, program, words) => {
  expect(installHint(program, platform)).toContain(words);
});

test('nothing is said of a program that is the person’s own affair', () => {
  expect(installHint('psql', 'linux')).toBeUndefined();
});
