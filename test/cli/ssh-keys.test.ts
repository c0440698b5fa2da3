import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registrationMessage } from '../../src/api/ssh-keys.ts';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { verifySshsig } from '../../src/ssh/sshsig.ts';
import { Person } from './person.ts';
import { account, ServerDouble, sessionId } from './server-double.ts';

let server: ServerDouble;
let alice: Person;
beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
  await alice.login(server.url);
});
afterEach(async () => {
  await server.stop();
  alice.remove();
});

const now = Math.floor(Date.now() / 1000);
const key = {
  id: '0190b3c4-aaaa-7bbb-8ccc-0000000000aa',
  account,
  name: 'laptop',
  type: 'ssh-ed25519',
  fingerprint: `SHA256:${'a'.repeat(43)}`,
  public_key: `ssh-ed25519 ${'A'.repeat(68)}`,
  created_at: now,
  expires_at: now + 86_400,
  last_used_at: null,
  session_id: sessionId,
};
const made = (type: string, ...more: string[]) => {
  const file = join(alice.home, 'own');
  const args = ['-q', '-t', type, '-N', '', '-C', 'my laptop!', '-f', file, ...more];
  expect(spawnSync('ssh-keygen', args, { stdio: 'ignore' }).status).toBe(0);
  return file;
};
const lastBody = () => JSON.parse(server.bodies.at(-1) ?? '{}');

describe('sally ssh-keys', () => {
  test.each([
    ['ed25519', ''],
    ['ed25519', '.pub'],
    ['ecdsa', ''],
    ['rsa', '.pub'],
  ])(
    '[seeds 13] add proves that one holds a key of %s, given as FILE%s, and says that certificates are better',
    async (type, ending) => {
      server.answers['POST /v1/ssh-keys'] = key;
      const file = made(type, ...(type === 'rsa' ? ['-b', '3072'] : []));
      const ran = await alice.sally(['ssh-keys', 'add', `${file}${ending}`, '--expires', '30d']);
      expect({ code: ran.code, stdout: ran.stdout.split(' ')[0] }).toEqual({ code: 0, stdout: 'Registered' });
      expect(ran.stderr).toContain('Certificates are better');
      const { public_key, name, expires_in_seconds, possession } = lastBody();
      expect({ name, expires_in_seconds }).toEqual({ name: 'my laptop-', expires_in_seconds: 30 * 86_400 });
      verifySshsig({
        message: registrationMessage(sessionId, possession.challenge),
        namespace: 'pop@localhost',
        publicKeyBlob: parsePublicKeyLine(public_key).blob,
        armored: possession.signature,
      });
    },
  );

  test('add wants a key whose halves are both there, and sends nothing without', async () => {
    const missing = await alice.sally(['ssh-keys', 'add', join(alice.home, 'nothing')]);
    expect([missing.code, missing.stderr]).toEqual([6, expect.stringContaining('nothing.pub is not there')]);
    const file = made('ed25519');
    rmSync(file);
    const before = server.seen.length;
    const alone = await alice.sally(['ssh-keys', 'add', file]);
    expect([alone.code, alone.stderr]).toEqual([6, expect.stringContaining('could not be signed with')]);
    expect(server.seen.slice(before).filter(({ path }) => path === '/v1/ssh-keys')).toEqual([]);
  });

  test('[seeds 13] list, remove by name, and remove-all', async () => {
    server.answers['GET /v1/ssh-keys'] = { ssh_keys: [key] };
    const listed = await alice.sally(['ssh-keys', 'list']);
    expect(listed.stdout).toContain(key.fingerprint);
    server.answers[`POST /v1/ssh-keys/${key.id}/remove`] = { removed: 1, version: '7' };
    const removed = await alice.sally(['ssh-keys', 'remove', 'laptop']);
    expect([removed.code, removed.stdout]).toEqual([0, 'Removed laptop; its connections are ended.\n']);
    expect((await alice.sally(['ssh-keys', 'remove', 'other'])).code).toBe(1);
    server.answers['POST /v1/ssh-keys/remove-all'] = { removed: 1, version: '8' };
    expect((await alice.sally(['ssh-keys', 'remove-all'])).code).toBe(2);
    const all = await alice.sally(['ssh-keys', 'remove-all', '--yes', '--json']);
    expect(JSON.parse(all.stdout)).toEqual({ removed: 1, version: '8' });
  });
});
