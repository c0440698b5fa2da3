import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCompanion } from '../../src/gateway/companion.ts';
import { readSavedState } from '../../src/gateway/saved-state.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import type { LocalMachine } from './local-machine.ts';
import { createPerson, runSsh, startSsh } from './ssh-client.ts';
import { alice, appLogin, bob, hasNames, TestWorld, web } from './test-world.ts';

const world = new TestWorld();
const { authority } = world;
let host: { machine: LocalMachine; port: number };

beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  host = await world.startMachine('host');
  authority.targets = [{ ...web, port: host.port }];
  const version = authority.push();
  await authority.waitForAcknowledgement((found) => found.version === version);
});
afterAll(() => world.close());

const toHost = (...command: string[]) => ['-p', String(host.port), `${appLogin}@127.0.0.1`, ...command];
const loop = 'while date; do sleep 0.2; done';

describe.skipIf(!hasNames)(
  'a CA key that is known as stolen (needs root, sshd, curl, libnss-extrausers)',
  () => {
    test('opens nothing after the push, its live connections are ended, and those by the new key go on', async () => {
      const stolen = authority.userCa;
      const thief = await createPerson(authority, world.folder, alice, { serial: 4_242n });
      const running = startSsh(thief, toHost(loop));
      await running.waitForOutput(/\d/);

      authority.compromisedCa = stolen;
      authority.userCa = generateEd25519();
      const version = authority.push({ krl: true });
      const acknowledged = await authority.waitForAcknowledgement((found) => found.version === version);
      expect(acknowledged).toMatchObject({ connections_ended: 1, problem: null });
      expect((await running.ended).status).not.toBe(0);
      expect((await runSsh(thief, toHost('true'))).status).toBe(255);

      const { paths } = host.machine;
      const line = publicKeyLine({ blob: stolen.publicKeyBlob });
      expect(await readFile(paths.userAuthorities, 'utf8')).not.toContain(line);
      expect((await readSavedState(paths.state))?.compromised).toEqual([line]);

      const person = await createPerson(authority, world.folder, bob);
      const goesOn = startSsh(person, toHost(loop));
      await goesOn.waitForOutput(/\d/);
      const next = authority.push({ krl: true });
      await authority.waitForAcknowledgement(
        (found) => found.version === next && found.connections_ended === 0,
      );
      goesOn.child.kill('SIGTERM');
      await goesOn.ended;
    });

    test('is not believed again, after a restart of the companion neither', async () => {
      const stolen = authority.compromisedCa ?? generateEd25519();
      await host.machine.companion.stop();
      const restarted = createCompanion(host.machine.companionOptions);
      await restarted.start();
      authority.compromisedCa = undefined;
      authority.userCa = stolen;
      authority.acknowledgements.length = 0;
      const version = authority.push({ krl: true });
      const { problem } = await authority.waitForAcknowledgement((found) => found.problem !== null);
      expect(problem).toMatch(/not signed by a user CA/);
      expect(authority.acknowledgements.some((found) => found.version === version)).toBe(false);
      await restarted.stop();
      const kept = await readFile(host.machine.paths.userAuthorities, 'utf8');
      expect(kept).not.toContain(publicKeyLine({ blob: stolen.publicKeyBlob }));
    });
  },
);
