import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { OpenSigner } from '../../../src/ca/signer.ts';
import { openSigner } from '../../../src/ca/signers/open-signer.ts';
import { signerSurroundings } from '../../../src/ca/signers/surroundings.ts';
import { fingerprint } from '../../../src/ssh/public-key.ts';
import { verifySignature } from '../../../src/ssh/signature.ts';
import { temporaryFolder } from '../../interop/ssh-keygen.ts';
import { createSoftToken, describeWithSofthsm, type SoftToken, softhsmModule } from './softhsm.ts';

const bytes = Buffer.from('to be signed');
const folder = temporaryFolder();
const pin = '24681357';

describeWithSofthsm('a key in a PKCS #11 token (SoftHSM2)', () => {
  let token: SoftToken;
  let environment: NodeJS.ProcessEnv;
  const opened: OpenSigner[] = [];
  beforeAll(() => {
    // Private agents make their folders here.
    vi.stubEnv('TMPDIR', folder.path('.'));
    token = createSoftToken(folder.path('hsm'), pin);
    token.generate('user_ca', '01', 'EC:prime256v1');
    token.generate('host_ca', '02', 'rsa:3072');
    token.generate('twice', '03', 'EC:secp384r1');
    token.generate('twice', '04', 'EC:secp384r1');
    environment = {
      ...token.environment,
      SALLYPORT_PKCS11_MODULE: softhsmModule,
      SALLYPORT_PKCS11_PIN_FILE: folder.write('pin', `${pin}\n`),
    };
  });
  afterEach(async () => {
    for (const signer of opened.splice(0)) await signer.close();
  });

  async function open(uri: string, changed: NodeJS.ProcessEnv = {}): Promise<OpenSigner> {
    const signer = await openSigner(uri, signerSurroundings('/none', { ...environment, ...changed }));
    opened.push(signer);
    return signer;
  }

  test.each([
    ['user_ca', 'ecdsa-sha2-nistp256'],
    ['host_ca', 'rsa-sha2-512'],
  ])('is found by its label (%s) and signs with %s', async (label, algorithm) => {
    const signer = await open(`pkcs11:object=${label};type=private`);
    expect(signer.algorithm).toBe(algorithm);
    verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
  });

  test('is found by its fingerprint where two have one label, and by no label that several have', async () => {
    const refusal = await open('pkcs11:object=twice').catch((error) => error);
    expect(refusal).toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('name one by its fingerprint'),
    });
    const shown = /(SHA256:\S+) "twice"/.exec(refusal.message)?.[1] ?? '';
    const signer = await open(`pkcs11:object=twice?x-fingerprint=${shown}`);
    expect(fingerprint(signer.publicKey)).toBe(shown);
    verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
  });

  test('signs many at a time', async () => {
    const signer = await open('pkcs11:object=user_ca');
    const signatures = await Promise.all(Array.from({ length: 40 }, () => signer.sign(bytes)));
    for (const signature of signatures) verifySignature({ publicKey: signer.publicKey, bytes, signature });
  });

  test('signs again after the process with the vendor’s library, or the agent, was killed', async () => {
    const signer = await open('pkcs11:object=user_ca');
    for (const name of ['ssh-pkcs11-helper', 'ssh-agent']) {
      for (const id of ownDescendants(name)) process.kill(id, 'SIGKILL');
      await signer.sign(bytes).catch(() => {});
      verifySignature({ publicKey: signer.publicKey, bytes, signature: await signer.sign(bytes) });
    }
  });

  test('leaves no process and no file behind when it is closed', async () => {
    const signer = await open('pkcs11:object=user_ca');
    const [agent] = ownDescendants('ssh-agent');
    expect(agent).toBeDefined();
    const folders = () => readdirSync(folder.path('.')).filter((name) => name.startsWith('sallyport-agent-'));
    expect(folders()).toHaveLength(1);
    await signer.close();
    expect(folders()).toEqual([]);
    await expect.poll(() => ownDescendants('ssh-agent')).toEqual([]);
    await expect.poll(() => ownDescendants('ssh-pkcs11-helper')).toEqual([]);
  });

  test('has a private agent that ends even where the server was killed', async () => {
    const program = fileURLToPath(new URL('./opened-token.ts', import.meta.url));
    const server = spawn(process.execPath, [program, 'pkcs11:object=user_ca'], {
      env: { ...environment, TMPDIR: folder.path('.') },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(server.stdout, 'data');
    const [agent = 0] = ownDescendants('ssh-agent');
    const [helper = 0] = ownDescendants('ssh-pkcs11-helper');
    expect([nameOf(agent), nameOf(helper)]).toEqual(['ssh-agent', 'ssh-pkcs11-helper']);
    server.kill('SIGKILL');
    await once(server, 'exit');
    // ssh-agent looks for its parent every ten seconds.
    await expect.poll(() => [nameOf(agent), nameOf(helper)], { timeout: 50_000 }).toEqual(['', '']);
  });

  test('with the wrong PIN is refused, and the token is not asked again: it might lock itself', async () => {
    const changed = { SALLYPORT_PKCS11_PIN_FILE: folder.write('wrong-pin', '00000000') };
    await expect(open('pkcs11:object=user_ca', changed)).rejects.toMatchObject({
      code: 'settings_invalid',
      message: expect.stringContaining('Check the PIN'),
    });
    await expect(open('pkcs11:object=user_ca', changed)).rejects.toMatchObject({
      message: expect.stringContaining('not tried again before a restart'),
    });
    await open('pkcs11:object=user_ca');
  });

  test.each([
    ['no module', { SALLYPORT_PKCS11_MODULE: '' }, 'SALLYPORT_PKCS11_MODULE'],
    ['a module by a relative path', { SALLYPORT_PKCS11_MODULE: 'libsofthsm2.so' }, 'SALLYPORT_PKCS11_MODULE'],
    ['a module that is not there', { SALLYPORT_PKCS11_MODULE: '/none.so' }, 'no PKCS #11 module at /none.so'],
    ['a module that is none', { SALLYPORT_PKCS11_MODULE: process.execPath }, 'gave no keys'],
    ['no PIN', { SALLYPORT_PKCS11_PIN_FILE: '' }, 'SALLYPORT_PKCS11_PIN_FILE'],
    ['a PIN file that is not there', { SALLYPORT_PKCS11_PIN_FILE: '/none' }, 'no such file'],
  ])('is refused with %s', async (_, changed, problem) => {
    await expect(open('pkcs11:object=user_ca', changed)).rejects.toMatchObject({
      message: expect.stringContaining(problem),
    });
    await expect.poll(() => ownDescendants('ssh-agent')).toEqual([]);
  });

  test('has a private agent that got none of the server’s secrets', async () => {
    await open('pkcs11:object=user_ca', {
      DATABASE_URL: 'postgres://secret',
      VAULT_TOKEN: 'x',
      HARMLESS: 'y',
    });
    // ssh-agent itself shows nothing to an ordinary user; what it was started with has the same environment.
    const [command = 0] = ownDescendants('cat');
    const text = readFileSync(`/proc/${command}/environ`, 'latin1');
    expect(text).toContain('HARMLESS=y');
    expect(text).not.toMatch(/DATABASE_URL|VAULT_TOKEN|SALLYPORT/);
  });
});

/** Processes of this name below this very process. */
function ownDescendants(name: string): number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
      const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state !== 'Z') parents.set(Number(entry), Number(parent));
    } catch {
      // It has ended.
    }
  }
  const isBelow = (id: number): boolean => {
    const parent = parents.get(id);
    return parent === process.pid || (parent !== undefined && parent > 1 && isBelow(parent));
  };
  return [...parents.keys()].filter((id) => isBelow(id) && nameOf(id) === name);
}

function nameOf(id: number): string {
  try {
    return readFileSync(`/proc/${id}/cmdline`, 'latin1').split('\0')[0]?.split('/').at(-1) ?? '';
  } catch {
    return '';
  }
}
