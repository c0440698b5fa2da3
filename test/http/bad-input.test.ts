/** What people send by mistake or on purpose instead of a public key: a code each, nothing issued, nothing half stored. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { certificatesOf, requestFor } from '../ca/sample-authority.ts';
import { startTestServer, type TestPerson, type TestServer } from './test-server.ts';

let server: TestServer;
let bob: TestPerson;
let folder: string;

beforeAll(async () => {
  server = await startTestServer();
  bob = await server.person('bob', 'contributor');
  folder = mkdtempSync(join(tmpdir(), 'sallyport-keys-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await server.close();
});

/** A key as ssh-keygen makes it; the private file too. */
function keygen(type: string, bits: string): { line: string; privateKey: string } {
  const file = join(folder, `${type}-${bits}`);
  execFileSync('/usr/bin/ssh-keygen', ['-q', '-t', type, '-b', bits, '-N', '', '-f', file]);
  return { line: readFileSync(`${file}.pub`, 'utf8').trim(), privateKey: readFileSync(file, 'utf8') };
}

async function ask(publicKey: (own: string) => string) {
  const challenge = await server.call('POST', '/v1/certificates/challenge', { as: bob });
  const body = await requestFor({ createChallenge: async () => challenge.json() }, bob.sessionId);
  return await server.call('POST', '/v1/certificates', {
    as: bob,
    body: { ...body, public_key: publicKey(body.public_key) },
  });
}

const dsa =
  'ssh-dss AAAAB3NzaC1kc3MAAACBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJRSgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AAAAAwEAAQAAAAMBAAEAAAADAQAB';

test.each<[string, number, string, (own: string) => string]>([
  ['no key at all', 422, 'key_malformed', () => 'hello'],
  [
    'a key with one character changed',
    422,
    'key_malformed',
    (own) => own.replace(/^ssh-ed25519 A/, 'ssh-ed25519 B'),
  ],
  ['a key cut short', 422, 'key_malformed', (own) => own.split(' ').slice(0, 2).join(' ').slice(0, -8)],
  ['two keys', 422, 'key_malformed', (own) => `${own}\n${own}`],
  ['options in front of the key', 422, 'key_malformed', (own) => `command="id" ${own}`],
  ['a DSA key', 422, 'key_type_refused', () => dsa],
  ['an RSA key of 2048 bits', 422, 'key_weak', () => keygen('rsa', '2048').line],
  ['somebody else’s ECDSA key', 422, 'key_possession_unproven', () => keygen('ecdsa', '256').line],
  ['a private key', 422, 'key_is_private', () => keygen('ed25519', '256').privateKey],
  ['somebody else’s key', 422, 'key_possession_unproven', () => keygen('ed25519', '257').line],
])('%s is refused with its code, and nothing is stored', async (_what, status, code, publicKey) => {
  const reply = await ask(publicKey);
  expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/);
  expect([reply.statusCode, reply.json().code]).toEqual([status, code]);
  expect(reply.json().detail.length).toBeGreaterThan(20);
  expect(reply.body).not.toContain('PRIVATE KEY-----\\n');
  expect(await certificatesOf(server.database, bob.sessionId)).toBe(0);
});

test('a certificate instead of a key is refused with its code, and nothing more is stored', async () => {
  const carol = await server.person('carol', 'contributor');
  const challenge = await server.call('POST', '/v1/certificates/challenge', { as: carol });
  const body = await requestFor({ createChallenge: async () => challenge.json() }, carol.sessionId);
  const { certificate } = (await server.call('POST', '/v1/certificates', { as: carol, body })).json();
  const reply = await ask(() => certificate);
  expect([reply.statusCode, reply.json().code]).toEqual([422, 'key_is_certificate']);
  expect(await certificatesOf(server.database, bob.sessionId)).toBe(0);
});
