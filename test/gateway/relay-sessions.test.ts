/** What a person has of a session that a gateway takes on to a host: the same as of one at the host itself. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RelayWorld } from './relay-world.ts';
import { runSsh } from './ssh-client.ts';
import { appLogin, hasNames, web } from './test-world.ts';

const world = new RelayWorld();
beforeAll(async () => {
  if (hasNames) await world.open();
});
afterEach(() => world.killStarted());
afterAll(() => world.close());

describe.skipIf(!hasNames)('a relayed session (needs root, sshd, curl, libnss-extrausers)', () => {
  test('[seeds 30] runs a command as the instance’s login, with its exit code and both outputs apart', async () => {
    const person = await world.person();
    const ran = await runSsh(person, world.at(web.targetName, 'id -un; echo problem >&2; exit 3'));
    expect(ran).toEqual({ status: 3, stdout: `${appLogin}\n`, stderr: 'problem\n' });
  });
});
