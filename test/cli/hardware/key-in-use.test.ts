/**
 * What status, whoami and cert show tell of a key in a file, and of one whose handle is gone; security-key.test.ts has those in
 * security keys and agents, keychain.test.ts the secrets in a keychain.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseCertificateLine } from '../../../src/ssh/parse-certificate.ts';
import { fingerprint } from '../../../src/ssh/public-key.ts';
import { Person } from '../person.ts';
import { ServerDouble } from '../server-double.ts';

const server = new ServerDouble();
const alice = new Person();
beforeAll(async () => {
  await server.start();
  await alice.login(server.url);
});
afterAll(async () => {
  alice.remove();
  await server.stop();
});

const json = async (...argv: string[]) => JSON.parse((await alice.sally([...argv, '--json'])).stdout);

test('a key in a file is called one, everywhere with the same facts', async () => {
  const { certificate, key, secrets } = await json('status');
  const { publicKey } = parseCertificateLine(readFileSync(certificate.path, 'utf8'));
  expect(key).toEqual({
    ...{ place: 'file', type: 'ssh-ed25519', asks_verification: null },
    fingerprint: fingerprint(publicKey),
  });
  expect(await json('whoami')).toMatchObject({ key, secrets: 'file' });
  expect(await json('cert', 'show')).toEqual({ ...certificate, key });
  expect(secrets).toBe('file');
  for (const argv of [['status'], ['whoami'], ['cert', 'show']]) {
    expect((await alice.sally(argv)).stdout).toContain('ED25519, in a file that each renewal replaces');
  }
  expect((await alice.sally(['status'])).stdout).toContain('in a file that only you can read');
});

test('a handle that is gone is said to be gone, and no more is claimed of the key', async () => {
  const session = JSON.parse(readFileSync(alice.paths.session, 'utf8'));
  const key = { kind: 'sk', public_key: 'x', key_file: '/nonexistent/key' };
  writeFileSync(alice.paths.session, JSON.stringify({ ...session, key }));
  expect((await json('status')).key).toMatchObject({ place: 'security-key', asks_verification: null });
  expect((await alice.sally(['status'])).stdout).toContain("whose handle can't be read");
});
