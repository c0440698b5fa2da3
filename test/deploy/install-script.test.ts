/** Where install.sh lets itself be sent: with a curl that only writes down what it was asked for. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { root } from '../dev/started-program.ts';

const run = promisify(execFile);
let folder: string;
let asked: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-install-'));
  asked = join(folder, 'asked');
  await writeFile(join(folder, 'curl'), `#!/bin/sh\necho "$*" >>'${asked}'\nexit 22\n`, { mode: 0o755 });
  await writeFile(join(folder, 'key.pub'), 'ssh-ed25519 AAAA release\n');
});
beforeEach(() => writeFile(asked, ''));
afterAll(() => rm(folder, { recursive: true, force: true }));

async function installFrom(address: string): Promise<{ stderr: string; asked: string }> {
  const args = [join(root, 'deploy/install.sh'), '--from', address, '--key', join(folder, 'key.pub')];
  const env = { HOME: folder, PATH: `${folder}:/usr/bin:/bin` };
  const { stderr } = await run('/bin/sh', args, { env }).catch((error) => error);
  return { stderr, asked: await readFile(asked, 'utf8') };
}

test.each([
  'http://releases.example.com',
  'http://localhost:x@elsewhere.example.com/',
  'http://127.0.0.1:80@elsewhere.example.com',
  'http://localhost:8080\\@elsewhere.example.com',
  'http://localhost:80:80@elsewhere.example.com/',
  'http://localhost.example.com:80',
  'http://127.0.0.1.example.com:80/',
  'https://someone:secret@releases.example.com',
  'HTTP://localhost:80',
  'ftp://localhost:80',
  'https://',
])('asks nobody for a release at %s', async (address) => {
  const { stderr, asked: requests } = await installFrom(address);
  expect(stderr).toMatch(/^install\.sh: --from must be (https|an address without user.*)\n$/);
  expect(requests).toBe('');
});

test.each([
  ['https://releases.example.com', '=https'],
  ['https://releases.example.com:8443/sally', '=https'],
  ['http://localhost:8080', '=http'],
  ['http://127.0.0.1:8080/sally', '=http'],
])('asks %s, and goes from there to nothing that is less safe', async (address, protocols) => {
  const { stderr, asked: requests } = await installFrom(address);
  expect(requests).toMatch(new RegExp(`^-fsSL --proto ${protocols} .* -- ${address}/sally\\.release\n$`));
  expect(stderr).toContain('could not be fetched');
});
