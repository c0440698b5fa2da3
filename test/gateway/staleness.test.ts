/**
 * A machine that does not hear its CA for too long, and one whose clock is wrong: what sshd does then, what the person is
 * told, and where an admin sees it. The CA's own page of machines is test/console's. What the limits are is in
 * trusted-age.test.ts.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Companion, createCompanion } from '../../src/gateway/companion.ts';
import type { CompanionOptions } from '../../src/gateway/companion-options.ts';
import { readRunReport } from '../../src/gateway/run-report.ts';
import type { LocalMachine } from './local-machine.ts';
import { createPerson, type Person, runSsh, until } from './ssh-client.ts';
import { alice, appLogin, hasNames, TestWorld, web } from './test-world.ts';

const world = new TestWorld();
const { authority } = world;
let host: { machine: LocalMachine; port: number };
let companion: Companion;
let person: Person;

beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  host = await world.startMachine('host');
  authority.targets = [{ ...web, port: host.port }];
  authority.push();
  person = await createPerson(authority, world.folder, alice);
  await host.machine.companion.stop();
});
afterEach(() => companion?.stop());
afterAll(() => world.close());

const nowhere = 'http://localhost:1';

async function start(changes: Partial<CompanionOptions>, serverUrl = authority.url): Promise<void> {
  world.logged.length = 0;
  const { enrolment } = host.machine;
  companion = createCompanion({
    ...host.machine.companionOptions,
    enrolment: { ...enrolment, serverUrl },
    ...changes,
  });
  await companion.start();
  await companion.ready;
}

const tenMinutesOn = () => new Date(Date.now() + 600_000);
const login = () => runSsh(person, ['-p', String(host.port), `${appLogin}@127.0.0.1`, 'echo in']);
const trusted = () => readFile(host.machine.paths.userAuthorities, 'utf8');
const report = () => readRunReport(host.machine.paths.report);
const logged = (event: string) => world.logged.filter((entry) => entry.event === event);
/** Nothing else in this file pushes, so the last state is what an admin sees. */
const lastProblem = () => authority.acknowledgements.at(-1)?.problem ?? null;

describe.skipIf(!hasNames)(
  'a machine that hears nothing for too long (needs root, sshd, curl, libnss-extrausers)',
  () => {
    test('[abuse 114] denies, tells why, and lets people in again as soon as it hears the CA', async () => {
      await start({ maximumStalenessSeconds: 60, whenStale: 'deny', clock: tenMinutesOn }, nowhere);
      expect(await login()).toMatchObject({
        status: 1,
        stdout: '',
        stderr: expect.stringContaining('has not heard from the certificate authority'),
      });
      expect(companion.status().problem).toContain('it lets nobody in');
      expect(await report()).toMatchObject({ stale: true, when_stale: 'deny' });
      expect(logged('state.stale')).toHaveLength(1);
      await companion.stop();
      await start({ maximumStalenessSeconds: 60, whenStale: 'deny' });
      expect(await login()).toMatchObject({ status: 0, stdout: 'in\n' });
    });

    test('[abuse 114] strict: sshd itself trusts no CA meanwhile, whatever becomes of the companion, and does again later', async () => {
      await start({ maximumStalenessSeconds: 60, whenStale: 'strict', clock: tenMinutesOn }, nowhere);
      expect(await trusted()).not.toContain('ssh-ed25519');
      expect(await login()).toMatchObject({
        status: 255,
        stderr: expect.stringContaining('Permission denied'),
      });
      // Damage is healed to what is to be there now.
      await writeFile(host.machine.paths.userAuthorities, `ssh-ed25519 AAAA\n`);
      await companion.checkFiles();
      expect(await trusted()).not.toContain('ssh-ed25519');
      expect(await report()).toMatchObject({ stale: true, when_stale: 'strict' });
      await companion.stop();
      expect(await login()).toMatchObject({ status: 255 });
      await start({ maximumStalenessSeconds: 60, whenStale: 'strict' });
      await until(async () => (await trusted()).includes('ssh-ed25519'), 'the CA is trusted again');
      expect(await login()).toMatchObject({ status: 0, stdout: 'in\n' });
      expect(companion.status().problem).toBeNull();
    });

    test('[abuse 114] keep: the last state counts on, loudly', async () => {
      let now = Date.now() + 600_000;
      await start({ maximumStalenessSeconds: 60, whenStale: 'keep', clock: () => new Date(now) }, nowhere);
      expect(await login()).toMatchObject({ status: 0, stdout: 'in\n' });
      expect(companion.status().problem).toContain('it goes on with the last state');
      expect(await report()).toMatchObject({ stale: true, when_stale: 'keep' });
      // Every minute anew, and not more often.
      await companion.checkConnections();
      expect(logged('state.stale')).toHaveLength(1);
      now += 60_000;
      await companion.checkConnections();
      expect(logged('state.stale')).toHaveLength(2);
      expect(logged('state.stale').at(0)?.level).toBe('error');
    });

    test('[abuse 114] what was revoked before stays revoked under each of them', async () => {
      const other = await createPerson(authority, world.folder, alice);
      authority.endedSessions = [other.sessionId];
      await start({});
      const version = authority.push();
      await authority.waitForAcknowledgement((found) => found.version === version);
      await companion.stop();
      await start({ maximumStalenessSeconds: 60, whenStale: 'keep', clock: tenMinutesOn }, nowhere);
      expect(await runSsh(other, ['-p', String(host.port), `${appLogin}@127.0.0.1`, 'true'])).toMatchObject({
        status: 255,
      });
    });
  },
);

describe.skipIf(!hasNames)(
  'a machine whose clock differs from the CA (needs root, sshd, curl, libnss-extrausers)',
  () => {
    afterEach(() => {
      authority.aheadSeconds = 0;
    });

    async function startWith(aheadSeconds: number, failClosed: boolean): Promise<void> {
      authority.aheadSeconds = aheadSeconds;
      authority.acknowledgements.length = 0;
      await start({ failClosed });
      const version = authority.push();
      await authority.waitForAcknowledgement((found) => found.version === version);
    }

    test.each([601, -601])(
      '[abuse 142] by %i seconds alarms at the CA and here, and lets people in',
      async (ahead) => {
        await startWith(ahead, false);
        expect(lastProblem()).toMatch(/^The clocks of this machine and of the CA differ by 60\d seconds\.$/);
        expect(companion.status().problem).toContain('The clocks');
        await companion.checkConnections();
        expect(Math.abs((await report())?.clock_skew ?? 0)).toBeGreaterThan(590);
        expect(await login()).toMatchObject({ status: 0, stdout: 'in\n' });
      },
    );

    test.each([601, -601])(
      '[abuse 142] by %i seconds lets nobody in where it fails closed, and says why',
      async (ahead) => {
        await startWith(ahead, true);
        expect(await login()).toMatchObject({
          status: 1,
          stderr: expect.stringContaining('The clock of this machine is wrong by'),
        });
        // Put right, without a restart.
        authority.aheadSeconds = 0;
        const version = authority.push();
        await authority.waitForAcknowledgement(
          (found) => found.version === version && found.problem === null,
        );
        expect(await login()).toMatchObject({ status: 0, stdout: 'in\n' });
      },
    );

    test.each([280, -280])('[abuse 142] by %i seconds is nothing to tell', async (ahead) => {
      await startWith(ahead, true);
      expect(lastProblem()).toBeNull();
      expect(await login()).toMatchObject({ status: 0, stdout: 'in\n' });
    });

    test('[abuse 142] that is set while nothing is heard is noticed all the same', async () => {
      let shift = 0;
      await start({ failClosed: true, clock: () => new Date(Date.now() + shift) });
      const version = authority.push();
      await authority.waitForAcknowledgement((found) => found.version === version);
      authority.acknowledgements.length = 0;
      shift = 600_000;
      await authority.waitForAcknowledgement(({ problem }) => problem?.startsWith('The clocks') ?? false);
      expect(await login()).toMatchObject({ status: 1 });
    });
  },
);
