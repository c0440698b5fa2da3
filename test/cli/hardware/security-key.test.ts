/** A key in a security key, from its making to a real sshd behind a real gateway; and one in the person's own agent. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { inTransaction } from '../../../src/database/transaction.ts';
import { demoTarget } from '../../../src/dev/demo-inventory.ts';
import { endSession } from '../../../src/sessions/end-session.ts';
import { parseCertificateLine } from '../../../src/ssh/parse-certificate.ts';
import { fingerprint } from '../../../src/ssh/public-key.ts';
import { readSecurityKeyFile } from '../../../src/ssh/sk-private-key.ts';
import { AttestingMaker } from '../../ssh/attesting-maker.ts';
import { SoftwareAuthenticator } from '../../ssh/software-authenticator.ts';
import { type Demo, type DemoPerson, startDemo } from '../demo-person.ts';
import { canPlugIn, PluggedIn } from './plugged-in.ts';

const host = `${demoTarget}.sallyport`;
const canRun = canPlugIn && existsSync('/usr/sbin/sshd');
const maker = new AttestingMaker();

describe.skipIf(!canRun)('a security key (needs openssh-server and gcc)', () => {
  let demo: Demo;
  let plugged: PluggedIn;
  let alice: DemoPerson;
  beforeAll(async () => {
    plugged = new PluggedIn(new SoftwareAuthenticator({ maker }));
    await plugged.start();
    demo = await startDemo();
  });
  afterAll(async () => {
    await plugged?.stop();
    await demo?.close();
  });
  beforeEach(async () => {
    alice = demo.nextAdmin();
    plugged.authenticator = new SoftwareAuthenticator({ maker });
    plugged.pin = undefined;
    plugged.knowsEd25519 = true;
    await ask({});
  });

  const ask = (policy: {
    hardware_keys?: 'off' | 'required' | 'verified';
    hardware_attestation?: 'off' | 'required';
    hardware_authorities?: string[];
  }) =>
    demo.dev.database.db
      .updateTable('organizations')
      .set({ hardware_keys: 'off', hardware_attestation: 'off', hardware_authorities: [], ...policy })
      .execute();

  /** Programs of OpenSSH that ask for a PIN get the one of the test. */
  function programs(): Record<string, string> {
    const askpass = join(alice.machine.home, 'askpass');
    writeFileSync(askpass, `#!/bin/sh\ncase $1 in *PIN*) echo ${plugged.pin ?? ''} ;; esac\n`);
    chmodSync(askpass, 0o700);
    const asking = { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: ':0' };
    return { ...plugged.environment, ...asking };
  }
  const at = () => ({ environment: { forPrograms: { ...process.env, ...programs() } } });
  const login = (...more: string[]) => alice.sally(['login', '--server', alice.server, ...more], at());
  const ssh = () => alice.machine.sshAsync([host, 'echo in'], programs());
  const certificate = async () =>
    parseCertificateLine(readFileSync((await alice.status()).certificate.path, 'utf8'));
  const key = () => {
    const [, file = ''] = /^IdentityFile "(.*)"$/m.exec(alice.machine.identity()) ?? [];
    return file;
  };

  test('makes a key that is proven with one touch, and its certificate is renewed without any', async () => {
    const { code, stderr } = await login('--key', 'sk');
    expect([code, stderr]).toEqual([0, expect.stringContaining('Touch your security key')]);
    // One to make the key, one to prove it.
    expect(plugged.authenticator.touches).toBe(2);
    const first = await certificate();
    expect(first.blob.includes('sk-ssh-ed25519-cert-v01@openssh.com')).toBe(true);
    expect(JSON.parse((await alice.sally(['status', '--json'])).stdout).key).toEqual({
      ...{ place: 'security-key', type: 'sk-ssh-ed25519@openssh.com', asks_verification: false },
      fingerprint: fingerprint(first.publicKey),
    });
    expect(await ssh()).toMatchObject({ code: 0, stdout: 'in\n' });
    const touches = plugged.authenticator.touches;
    expect(touches).toBeGreaterThan(2);

    // The fast path, as a timer runs it, and the command: neither touches anything.
    expect((await alice.sally(['cert', 'ensure', '--force'], at())).code).toBe(0);
    expect((await alice.sally(['cert', 'ensure', '--force', '--quiet'], at())).code).toBe(0);
    const renewed = await certificate();
    expect(renewed.serial).not.toBe(first.serial);
    expect(renewed.publicKey).toEqual(first.publicKey);
    expect(plugged.authenticator.touches).toBe(touches);
    expect(await ssh()).toMatchObject({ code: 0, stdout: 'in\n' });

    // A second login uses the key that is here, for the same session even without a touch.
    expect((await login('--key', 'sk', '--mfa', '--max-age', '0')).code).toBe(0);
    expect((await certificate()).publicKey).toEqual(first.publicKey);
  });

  test('is ECDSA where the security key knows no Ed25519', async () => {
    plugged.knowsEd25519 = false;
    expect((await login('--key', 'sk')).code).toBe(0);
    expect((await certificate()).blob.includes('sk-ecdsa-sha2-nistp256-cert-v01@openssh.com')).toBe(true);
    expect(await ssh()).toMatchObject({ code: 0, stdout: 'in\n' });
  });

  test('is not used for anything where it is not plugged in: one line says what ssh-keygen said', async () => {
    const elsewhere = { ...plugged.environment, SK_TEST_SOCKET: '/nonexistent' };
    const { code, stderr } = await alice.sally(['login', '--server', alice.server, '--key', 'sk'], {
      environment: { forPrograms: { ...process.env, ...elsewhere } },
    });
    expect(code).not.toBe(0);
    expect(stderr).toContain('The security key made no key. ssh-keygen says:');
    expect(stderr).toContain('sally login --key sk');
    // The login is there all the same.
    expect((await alice.status()).session.id).toBeTruthy();
  });

  test('is what the organization can ask for: a key in a file gets nothing but the command', async () => {
    await ask({ hardware_keys: 'required' });
    const { code, stderr } = await login();
    expect(code).not.toBe(0);
    expect(stderr).toContain(
      'only for keys in a security key; yours is in a file. Run: sally login --key sk',
    );
    expect((await alice.ssh([host, 'true'])).code).not.toBe(0);
    expect((await alice.sally(['explain', demoTarget, '--json'])).stdout).toContain('hardware_key_required');

    expect((await login('--key', 'sk', '--mfa', '--max-age', '0')).code).toBe(0);
    expect(await ssh()).toMatchObject({ code: 0, stdout: 'in\n' });
    expect((await alice.sally(['explain', demoTarget, '--json'])).stdout).not.toContain('hardware_key');
  });

  test('asks for a PIN at each use where the organization does, and sshd wants it too', async () => {
    plugged.pin = '271828';
    expect((await login('--key', 'sk')).code).toBe(0);
    const before = await certificate();
    await ask({ hardware_keys: 'verified' });
    // The key of before asks for none, so another one is made.
    expect((await login('--key', 'sk', '--mfa', '--max-age', '0')).code).toBe(0);
    const verified = await certificate();
    expect(verified.publicKey).not.toEqual(before.publicKey);
    expect(verified.criticalOptions.map(({ name }) => name)).toEqual(['verify-required']);
    expect(readSecurityKeyFile(readFileSync(key(), 'utf8'))?.asksVerification).toBe(true);
    expect((await alice.sally(['status'])).stdout).toContain(
      'in a security key that asks for a PIN or a finger',
    );
    expect(await ssh()).toMatchObject({ code: 0, stdout: 'in\n' });
    // Without a PIN, a signature that says so is worth nothing at sshd.
    plugged.authenticator.verifies = false;
    expect((await ssh()).code).not.toBe(0);
  });

  test('with its maker’s word where the organization wants that, of makers that it names', async () => {
    expect((await login('--key', 'sk')).code).toBe(0);
    const before = await certificate();
    await ask({
      hardware_keys: 'required',
      hardware_attestation: 'required',
      hardware_authorities: [maker.authority.pem],
    });
    // The key of before was made without it: it cannot be had afterwards, so another one is made.
    expect((await login('--key', 'sk', '--mfa', '--max-age', '0')).code).toBe(0);
    expect((await certificate()).publicKey).not.toEqual(before.publicKey);
    expect(await ssh()).toMatchObject({ code: 0, stdout: 'in\n' });
    const stored = await demo.dev.database.db.selectFrom('attested_keys').select('model').execute();
    expect(stored.map(({ model }) => model)).toContain(plugged.authenticator.model);
  });

  test('outlives its person’s logout: the next login takes the handle that is here', async () => {
    expect((await login('--key', 'sk')).code).toBe(0);
    const before = await certificate();
    expect((await alice.sally(['logout'], at())).code).toBe(0);
    expect((await login('--key', 'sk')).code).toBe(0);
    expect((await certificate()).publicKey).toEqual(before.publicKey);
  });

  test('is made anew where an admin has ended the login: the one of before may be in other hands', async () => {
    expect((await login('--key', 'sk', '--resident')).code).toBe(0);
    expect(plugged.authenticator.residentKeys).toBe(1);
    const before = await certificate();
    const sessionId = await alice.sessionId();
    await inTransaction(demo.dev.database.db, (tx) =>
      endSession(tx, { sessionId, reason: 'revoked', by: 'an admin' }, new Date()),
    );
    // Without --key: what was chosen before holds.
    const { code, stderr } = await login();
    expect([code, stderr]).toEqual([0, expect.stringContaining('will not do: A certificate of this key')]);
    expect((await certificate()).publicKey).not.toEqual(before.publicKey);
    expect((await certificate()).blob.includes('sk-ssh-ed25519-cert-v01@openssh.com')).toBe(true);
    expect(await ssh()).toMatchObject({ code: 0, stdout: 'in\n' });
  });

  test('[seeds 60] is none where the key lies in a file, which in FIPS mode is ECDSA or RSA: sshd takes both', async () => {
    const fipsFile = join(alice.machine.home, 'fips_enabled');
    writeFileSync(fipsFile, '1\n');
    const inFips = { environment: { fipsFile } };
    expect((await alice.sally(['login', '--server', alice.server], inFips)).code).toBe(0);
    expect((await certificate()).blob.includes('ecdsa-sha2-nistp256-cert-v01@openssh.com')).toBe(true);
    expect(await alice.ssh([host, 'echo in'])).toMatchObject({ code: 0, stdout: 'in\n' });
    expect((await alice.sally(['cert', 'ensure', '--force'], inFips)).code).toBe(0);
    expect((await certificate()).blob.includes('ecdsa-sha2-nistp256-cert-v01@openssh.com')).toBe(true);

    const rsa = ['login', '--server', alice.server, '--key', 'rsa', '--mfa', '--max-age', '0'];
    expect((await alice.sally(rsa, inFips)).code).toBe(0);
    expect((await certificate()).blob.includes('ssh-rsa-cert-v01@openssh.com')).toBe(true);
    expect(await alice.ssh([host, 'echo in'])).toMatchObject({ code: 0, stdout: 'in\n' });
  });

  describe('a key of the person’s own agent, wherever that has it from', () => {
    let agent: ReturnType<typeof spawn>;
    let socket: string;
    beforeEach(async () => {
      socket = join(alice.machine.home, 'agent.sock');
      agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
      await new Promise((resolve) => agent.stdout?.once('data', resolve));
      const file = join(alice.machine.home, 'tpm');
      execFileSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-N', '', '-C', 'alice@tpm', '-f', file]);
      execFileSync('ssh-add', ['-q', file], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
      for (const half of [file, `${file}.pub`]) execFileSync('rm', [half]);
      return () => void agent.kill();
    });
    const withAgent = () => ({
      environment: { forPrograms: { ...process.env, SSH_AUTH_SOCK: socket } },
    });
    const held = () =>
      execFileSync('ssh-add', ['-l'], { env: { ...process.env, SSH_AUTH_SOCK: socket }, encoding: 'utf8' });

    test('is certified, renewed, logged in with, and still there after the logout', async () => {
      const asked = ['login', '--server', alice.server, '--key', 'agent:alice@tpm'];
      expect((await alice.sally(asked, withAgent())).code).toBe(0);
      const { publicKey } = await certificate();
      expect(held()).toContain(fingerprint(publicKey));
      const shown = (await alice.sally(['cert', 'show'])).stdout;
      expect(shown).toContain(`ECDSA, in your ssh-agent, ${fingerprint(publicKey)}`);
      // Only the public half is on the disk.
      expect(readFileSync(key(), 'utf8')).toMatch(/^ecdsa-sha2-nistp256 /);
      const throughAgent = () => alice.machine.sshAsync([host, 'echo in'], { SSH_AUTH_SOCK: socket });
      expect(await throughAgent()).toMatchObject({ code: 0, stdout: 'in\n' });
      expect((await alice.sally(['cert', 'ensure', '--force', '--quiet'], withAgent())).code).toBe(0);
      expect(await throughAgent()).toMatchObject({ code: 0, stdout: 'in\n' });
      expect((await alice.sally(['logout'], withAgent())).code).toBe(0);
      expect(held()).toContain(fingerprint(publicKey));
    });

    test('is named by what the agent holds where there is none of the name', async () => {
      const asked = ['login', '--server', alice.server, '--key', 'agent:bob@tpm'];
      const { code, stderr } = await alice.sally(asked, withAgent());
      expect(code).not.toBe(0);
      expect(stderr).toMatch(/Your agent holds no key bob@tpm\. It holds: SHA256:\S+ \(alice@tpm\)/);
    });
  });
});
