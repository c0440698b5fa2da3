import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import type { LocalMachine } from './local-machine.ts';
import { createPerson, runSsh } from './ssh-client.ts';
import { alice, appLogin, hasNames, TestWorld, web } from './test-world.ts';

const world = new TestWorld();
const { authority } = world;
let host: { machine: LocalMachine; port: number };

beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  authority.hopCa = generateEd25519();
  host = await world.startMachine('host');
  authority.targets = [{ ...web, port: host.port }];
  const version = authority.push();
  await authority.waitForAcknowledgement((found) => found.version === version && found.problem === null);
});
afterAll(() => world.close());

const toHost = (...command: string[]) => ['-p', String(host.port), `${appLogin}@127.0.0.1`, ...command];

describe.skipIf(!hasNames)('a hop CA key at a host (needs root, sshd, curl, libnss-extrausers)', () => {
  test('is among the keys that sshd trusts', async () => {
    const blob = authority.hopCa?.publicKeyBlob ?? Buffer.alloc(0);
    expect(await readFile(host.machine.paths.userAuthorities, 'utf8')).toContain(publicKeyLine({ blob }));
  });

  test('lets nobody in by a certificate of a person', async () => {
    const person = await createPerson(authority, world.folder, alice);
    expect((await runSsh(person, toHost('true'))).status).toBe(0);
    const ca = authority.hopCa ?? generateEd25519();
    const forged = await createPerson(authority, world.folder, alice, { ca });
    expect((await runSsh(forged, toHost('true'))).status).toBe(255);
  });
});
