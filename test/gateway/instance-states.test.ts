/** The other half of [seeds 36] is what the server says (test/http/explain-access.test.ts). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RelayWorld } from './relay-world.ts';
import { type Ran, runSsh } from './ssh-client.ts';
import { hasNames, mallory, web } from './test-world.ts';

const world = new RelayWorld();
beforeAll(async () => {
  if (hasNames) await world.open();
});
afterAll(() => world.close());

const detailOf = ({ stderr }: Ran) => /^Detail: (.*?)\r?$/m.exec(stderr)?.[1];

describe.skipIf(!hasNames)('ssh to an instance (needs root, sshd, curl, libnss-extrausers)', () => {
  test('[seeds 36] that is starting, stopped, paused or inactive, that is not there, or that is none of theirs', async () => {
    const person = await world.person();
    const details: (string | undefined)[] = [];
    for (const state of ['starting', 'stopped', 'paused', 'inactive'] as const) {
      await world.install({ state });
      const ran = await runSsh(person, world.at());
      expect(ran).toMatchObject({ status: 1, stdout: '' });
      expect(detailOf(ran)).toContain(`The instance ${web.targetName} is ${state}`);
      details.push(detailOf(ran));
    }
    await world.install();
    const { organization, project, environment } = web;
    world.authority.emptyApps = [
      {
        name: 'shop-production--empty',
        organization,
        project,
        environment,
        environmentKind: 'production',
        app: 'empty',
      },
    ];
    await world.pushed();
    const none = await runSsh(person, world.at('ssh', 'shop-production--empty'));
    expect(detailOf(none)).toContain('The app shop-production--empty has no instance now.');
    const stranger = await world.person(mallory, { claims: { org: 'other' } });
    const forbidden = await runSsh(stranger, world.at('ssh', 'shop-production--empty'));
    expect(detailOf(forbidden)).toContain('There is no target of this name');
    expect(forbidden.stderr).toBe(
      (await runSsh(stranger, world.at('ssh', 'shop-production--nil'))).stderr.replaceAll('nil', 'empty'),
    );
    details.push(detailOf(none), detailOf(forbidden));
    expect(new Set(details).size).toBe(6);
    // By the login name there is no answer at all, as for a name that nobody has.
    expect((await runSsh(stranger, world.at())).status).toBe(255);
  });
});
