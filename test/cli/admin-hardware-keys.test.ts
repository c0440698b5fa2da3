import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Person } from './person.ts';
import { ServerDouble } from './server-double.ts';
import { type Authority, hasOpenssl, makeAuthority } from './tls/authorities.ts';

describe.skipIf(!hasOpenssl)('sally admin hardware-keys (needs openssl)', () => {
  const server = new ServerDouble();
  const alice = new Person();
  let folder: string;
  let maker: Authority;
  const policy = (change: object) => ({
    ...{ mfa_required: true, hardware_keys: 'off', hardware_attestation: 'off' },
    ...{ hardware_models: null, hardware_authorities: [], ...change },
  });
  const sent = () => JSON.parse(server.bodies.at(-1) ?? '');
  const keys = (...argv: string[]) => alice.sally(['admin', 'hardware-keys', ...argv]);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sally-keys-'));
    maker = makeAuthority(folder, 'Maker of keys');
    await server.start();
    await alice.login(server.url);
    server.answers['GET /v1/organization/login-policy'] = policy({});
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    alice.remove();
    await server.stop();
  });

  test('show says what is asked for, without the rest of the policy', async () => {
    expect((await keys('show')).stdout).toMatch(/^Keys +off: any key will do$/m);
    const { stdout } = await keys('show', '--json');
    expect(Object.keys(JSON.parse(stdout)).every((name) => name.startsWith('hardware_'))).toBe(true);
  });

  test('set sends what was named alone, and says what is asked for now', async () => {
    server.answers['POST /v1/organization/login-policy'] = policy({ hardware_keys: 'verified' });
    const { code, stdout } = await keys('set', 'verified', '--yes');
    expect([code, stdout]).toEqual([0, expect.stringContaining('that ask for a PIN or a finger')]);
    expect(sent()).toEqual({ hardware_keys: 'verified' });
    // To ask for less locks nobody out.
    expect((await keys('set', 'off', '--any-model')).code).toBe(0);
    expect(sent()).toEqual({ hardware_keys: 'off', hardware_models: null });
  });

  test('set names makers by the files of their certificates', async () => {
    const authorities = { hardware_authorities: [maker.certificate] };
    server.answers['POST /v1/organization/login-policy'] = policy(authorities);
    const model = '2fc0579f-8113-47ea-b116-bb5a8db9202a';
    const argv = ['set', '--attestation', 'required', '--authority', maker.file, '--model', model, '--yes'];
    expect((await keys(...argv)).stdout).toContain('  O=Example, CN=Maker of keys, until ');
    expect(sent()).toEqual({
      hardware_attestation: 'required',
      hardware_models: [model],
      hardware_authorities: [maker.certificate.trim()],
    });
  });

  test.each([
    [['set'], 2, 'Say what to change'],
    [['set', 'sometimes'], 2, 'Allowed choices are off, required, verified'],
    [['set', '--model', 'x', '--any-model'], 2, 'exclude each other'],
    [['set', '--authority', '/nonexistent.pem', '--yes'], 6, 'does not exist'],
    [['set', '--authority', '/etc/hostname', '--yes'], 6, 'holds no certificate'],
  ])('%j is refused before anything is sent', async (argv, code, words) => {
    const before = server.bodies.length;
    expect(await keys(...argv)).toMatchObject({ code, stderr: expect.stringContaining(words) });
    expect(server.bodies.length).toBe(before);
  });
});
