/** Keys in files that are not Ed25519, and keys that are kept: what `sally` asks a server for, and what it stores. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { currentPair } from '../../../src/cli/current-pair.ts';
import { parseCertificateLine } from '../../../src/ssh/parse-certificate.ts';
import { fingerprint } from '../../../src/ssh/public-key.ts';
import { sshKeygenOutput } from '../../interop/ssh-keygen.ts';
import { Person } from '../person.ts';
import { ServerDouble } from '../server-double.ts';

let server: ServerDouble;
let alice: Person;
beforeEach(async () => {
  server = new ServerDouble();
  server.answers['GET /v1/key-policy'] = { hardware_keys: 'off', attestation: false };
  await server.start();
  alice = new Person();
});
afterEach(async () => {
  await server.stop();
  alice.remove();
  expect(server.failures).toEqual([]);
});

const login = (...more: string[]) => alice.sally(['login', '--server', server.url, ...more]);
const certificate = async () => {
  const pair = await currentPair(alice.paths);
  return parseCertificateLine(readFileSync(pair?.certificatePath ?? '', 'utf8'));
};
const keyPath = () => /^IdentityFile "(.*)"$/m.exec(alice.identity())?.[1] ?? '';

describe.each([
  ['ecdsa', /^256 SHA256:\S+ .*\(ECDSA\)/],
  ['rsa', /^3072 SHA256:\S+ .*\(RSA\)/],
  ['ed25519', /^256 SHA256:\S+ .*\(ED25519\)/],
])('a key that is to be %s', (type, listed) => {
  test('is a file that ssh-keygen reads, with the certificate of that very key, at each renewal', async () => {
    expect((await login('--key', type)).code).toBe(0);
    for (const again of [false, true]) {
      if (again) expect((await alice.sally(['cert', 'ensure', '--force'])).code).toBe(0);
      const { publicKey } = await certificate();
      expect(sshKeygenOutput(['-y', '-f', keyPath()]).split(' ')[1]).toBe(publicKey.toString('base64'));
      expect(sshKeygenOutput(['-l', '-f', keyPath()])).toMatch(listed);
    }
  });

  test('is the same after a lost reply: the request is sent again', async () => {
    await login('--key', type);
    server.faults.loseReplyOf = '/v1/certificates';
    await alice.sally(['cert', 'ensure', '--force']);
    const pending = JSON.parse(readFileSync(alice.paths.pending, 'utf8'));
    delete server.faults.loseReplyOf;
    const { issued } = server;
    expect((await alice.sally(['cert', 'ensure', '--force'])).code).toBe(0);
    expect((await currentPair(alice.paths))?.id).toBe(pending.request_id);
    expect(server.issued).toBe(issued);
  });
});

test('in FIPS mode a key is ECDSA, out of it Ed25519, and what the person chose stays', async () => {
  const fipsFile = join(alice.home, 'fips_enabled');
  const typeOf = async () => sshKeygenOutput(['-l', '-f', keyPath()]).match(/\((.*)\)/)?.[1];
  for (const [text, type] of [
    ['0\n', 'ED25519'],
    ['1\n', 'ECDSA'],
  ] as const) {
    writeFileSync(fipsFile, text);
    const options = { environment: { fipsFile } };
    await alice.sally(['login', '--server', server.url], options);
    expect(await typeOf()).toBe(type);
  }
  await alice.sally(['login', '--server', server.url, '--key', 'rsa'], { environment: { fipsFile } });
  await alice.sally(['login', '--server', server.url], { environment: { fipsFile } });
  expect(await typeOf()).toBe('RSA');
  await login('--key', 'file');
  expect(await typeOf()).toBe('ED25519');
});

test.each([
  [['--key', 'yubikey'], '--key sk'],
  [['--resident'], 'Add --key sk'],
  [['--pin', '--key', 'file'], 'Add --key sk'],
])('%j is refused before the browser opens, with what to write instead', async (argv, words) => {
  const { code, stderr } = await login(...argv);
  expect(code).not.toBe(0);
  expect(stderr).toContain(words);
  expect(server.seen).toEqual([]);
});

describe('a key that is kept in an agent', () => {
  let agent: ReturnType<typeof spawn>;
  let environment: Record<string, unknown>;
  beforeEach(async () => {
    const socket = join(alice.home, 'agent.sock');
    agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
    await new Promise((resolve) => agent.stdout?.once('data', resolve));
    const forPrograms = { ...process.env, SSH_AUTH_SOCK: socket };
    const file = join(alice.home, 'card');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'alice@card', '-f', file]);
    execFileSync('ssh-add', ['-q', file], { env: forPrograms });
    environment = { forPrograms };
    return () => void agent.kill();
  });

  const sent = () =>
    server.bodies
      .map((body) => JSON.parse(body || '{}'))
      .filter(({ request_id }) => request_id !== undefined);

  test('is proven once, and certified again without a proof', async () => {
    const asked = ['login', '--server', server.url, '--key', 'agent:alice@card'];
    expect((await alice.sally(asked, { environment })).code).toBe(0);
    const { publicKey } = await certificate();
    expect(readFileSync(keyPath(), 'utf8')).toContain(publicKey.toString('base64'));
    await alice.sally(['cert', 'ensure', '--force', '--quiet'], { environment });
    expect(sent().map(({ possession }) => possession?.keep)).toEqual([undefined, true, undefined]);
    expect(fingerprint((await certificate()).publicKey)).toBe(fingerprint(publicKey));
  });

  test('is asked for a proof by nobody in the background, and by the command where somebody sits', async () => {
    const asked = ['login', '--server', server.url, '--key', 'agent:alice@card'];
    await alice.sally(asked, { environment });
    // As after a restore: the server has forgotten it.
    server.keptKeys.clear();
    const folder = join(alice.home, 'programs');
    mkdirSync(folder);
    const started = join(alice.home, 'started');
    writeFileSync(join(folder, 'ssh-keygen'), `#!/bin/sh\n: >'${started}'\nexit 1\n`);
    chmodSync(join(folder, 'ssh-keygen'), 0o700);
    const { forPrograms } = environment as { forPrograms: NodeJS.ProcessEnv };
    const watched = { ...forPrograms, PATH: `${folder}:${forPrograms['PATH']}` };
    const background = { environment: { ...environment, forPrograms: watched } };
    await alice.sally(['cert', 'ensure', '--force', '--quiet'], background);
    const told = await alice.sally(['cert', 'ensure', '--force'], background);
    expect(told.stderr).toContain('must be touched or unlocked once for this login. Run: sally cert ensure');
    expect(alice.has(started)).toBe(false);

    const { code } = await alice.sally(['cert', 'ensure', '--force'], { environment, ask: async () => '' });
    expect(code).toBe(0);
    expect(server.keptKeys.size).toBe(1);
  });
});
