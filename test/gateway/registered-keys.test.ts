/** Registered keys at a real sshd: they get in where policy lets them, through a gateway too, and end like sessions. */
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { RelayWorld } from './relay-world.ts';
import { type Person, runSsh } from './ssh-client.ts';
import { nowSeconds } from './test-authority.ts';
import { alice, appLogin, carol, hasNames, web } from './test-world.ts';

class KeysWorld extends RelayWorld {
  override readonly forwarding = { registeredKeys: true };
}
const world = new KeysWorld();
beforeAll(async () => {
  if (hasNames) await world.open();
});
beforeEach(async () => {
  if (!hasNames) return;
  world.authority.registeredKeys = [];
  await world.install({ mfaRequired: false });
});
afterEach(() => world.killStarted());
afterAll(() => world.close());

/** Somebody with a key and no certificate. Both machines know the key when this returns. */
async function withKey(account = alice, expiresInSeconds = 3_600): Promise<Person> {
  const person = await world.person(account);
  const { configuration, key, sessionId } = person;
  const lines = (await readFile(configuration, 'utf8'))
    .split('\n')
    .map((line) => (line.startsWith('CertificateFile') ? 'CertificateFile none' : line))
    // ssh looks for a certificate beside the key by itself.
    .map((line) => (line.startsWith('IdentityFile') ? `${line}.alone` : line));
  await writeFile(join(person.folder, 'id.alone'), key.openssh('test'), { mode: 0o600 });
  await writeFile(configuration, lines.join('\n'));
  world.authority.registeredKeys.push({
    account,
    session_id: sessionId,
    public_key: publicKeyLine({ blob: key.publicKeyBlob }),
    expires_at: nowSeconds() + expiresInSeconds,
  });
  await world.pushed();
  return person;
}
const direct = (...command: string[]) => ['-p', String(world.host.port), `${appLogin}@127.0.0.1`, ...command];

describe.skipIf(!hasNames)('a registered key (needs root, sshd, curl, libnss-extrausers)', () => {
  test('[seeds 13] logs in at a host, and through a gateway', async () => {
    const person = await withKey();
    expect(await runSsh(person, direct('id -un'))).toMatchObject({ status: 0, stdout: `${appLogin}\n` });
    expect(await runSsh(person, world.at(web.targetName, 'id -un'))).toMatchObject({
      status: 0,
      stdout: `${appLogin}\n`,
    });
    const sources = world.authority.hops.map(({ registered_key }) => registered_key);
    expect(sources).toContain(publicKeyLine({ blob: person.key.publicKeyBlob }));
  });

  test('a key that nobody registered gets nowhere, and neither does one that has expired', async () => {
    const person = await withKey(alice, -1);
    for (const args of [direct('id'), world.at(web.targetName, 'id')]) {
      expect((await runSsh(person, args)).status).toBe(255);
    }
    world.authority.registeredKeys = [];
    await world.pushed();
    expect((await runSsh(person, direct('id'))).status).toBe(255);
  });

  test('is refused in words where a second factor is wanted: it never has one', async () => {
    const person = await withKey();
    await world.install({ mfaRequired: true });
    for (const args of [direct('id'), world.at(web.targetName, 'id')]) {
      const { status, stdout, stderr } = await runSsh(person, args);
      expect([status, stdout]).toEqual([1, '']);
      expect(stderr).toContain('Error: Access denied');
    }
  });

  test('is refused where only people get in', async () => {
    const person = await withKey();
    await world.install({ mfaRequired: false, peopleOnly: true });
    expect((await runSsh(person, world.at(web.targetName, 'id'))).status).toBe(1);
  });

  test('lets nobody in as somebody else: a key is of one account', async () => {
    world.authority.rules = world.authority.rules.filter(
      ({ subject }) => !('account' in subject && subject.account === carol),
    );
    const person = await withKey(carol);
    expect((await runSsh(person, direct('id'))).status).toBe(255);
  });

  test.each(['its session ends', 'it is removed'])(
    '[seeds 13] live connections end when %s, at the host and through the gateway',
    async (how) => {
      const person = await withKey();
      const running = [direct('echo in; cat'), world.at(web.targetName, 'echo in; cat')].map((args) =>
        world.start(person, args),
      );
      for (const one of running) await one.waitForOutput(/in\n/);
      if (how === 'it is removed') world.authority.registeredKeys = [];
      else world.authority.endedSessions.push(person.sessionId);
      world.authority.push();
      for (const one of running) expect((await one.ended).status).not.toBe(0);
    },
  );

  test('of a certificate’s owner does not stand in the way of the certificate', async () => {
    await withKey();
    const person = await world.person(alice, { sessionId: randomUUID() });
    expect((await runSsh(person, direct('id -un'))).stdout).toBe(`${appLogin}\n`);
  });
});
