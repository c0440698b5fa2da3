/** Certificates of API tokens and CI jobs at a real gateway and host. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPerson, runSsh } from './ssh-client.ts';
import { alice, appLogin, hasNames, TestWorld, web } from './test-world.ts';

const world = new TestWorld();
let gatewayPort = 0;
let hostPort = 0;
const open = { ...web, mfaRequired: false, mfaMaxAgeSeconds: null };
const forPeople = {
  ...open,
  targetName: 'shop-staging--people',
  environment: 'staging',
  app: 'people',
  peopleOnly: true,
  gatewayUid: 600_003,
};
const withMfa = {
  ...web,
  targetName: 'shop-secure--web',
  environment: 'secure',
  gatewayUid: 600_004,
};

beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  const host = await world.startMachine('host');
  hostPort = host.port;
  world.authority.targets = [open, forPeople, withMfa].map((target) => ({ ...target, port: host.port }));
  world.authority.push();
  gatewayPort = (await world.startMachine('gateway')).port;
});
afterAll(() => world.close());

const machine = (claims: { mode: 'token' | 'ci'; max_role?: 'viewer' | 'contributor' | 'admin' }) =>
  createPerson(world.authority, world.folder, alice, { mfa: false, claims: { amr: [], ...claims } });
const at = (name: string) => ['-p', String(gatewayPort), `${name}@127.0.0.1`];

describe.skipIf(!hasNames)('a machine’s certificate (needs root, sshd, curl, libnss-extrausers)', () => {
  test.each(['token', 'ci'] as const)('of mode %s gets in where no second factor is wanted', async (mode) => {
    const jump = ['-J', `${open.targetName}@127.0.0.1:${gatewayPort}`, '-p', String(hostPort)];
    const ran = await runSsh(await machine({ mode, max_role: 'contributor' }), [
      ...jump,
      `${appLogin}@127.0.0.1`,
      'id',
      '-un',
    ]);
    expect(ran).toMatchObject({ status: 0, stdout: `${appLogin}\n` });
  });

  test('has no more than the role that it is limited to, whatever its account has', async () => {
    const ran = await runSsh(await machine({ mode: 'token', max_role: 'viewer' }), at(open.targetName));
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toContain('SSH here needs the role contributor; yours is viewer.');
  });

  test('is refused where only people get in, and sent to no login', async () => {
    const ran = await runSsh(await machine({ mode: 'ci' }), at(forPeople.targetName));
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toContain('The environment staging lets only people in');
    expect(ran.stderr).not.toMatch(/^Run:/m);
  });

  test('is refused where a second factor is wanted, and sent to no login', async () => {
    const ran = await runSsh(await machine({ mode: 'token' }), at(withMfa.targetName));
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toContain('wants a second factor, which API tokens and CI jobs never have');
    expect(ran.stderr).not.toMatch(/^(Run|Parameters):/m);
  });

  test('with a second factor in it is still a machine’s', async () => {
    const person = await createPerson(world.authority, world.folder, alice, {
      mfa: true,
      claims: { mode: 'token' },
    });
    expect((await runSsh(person, at(withMfa.targetName))).stderr).toContain(
      'which API tokens and CI jobs never have',
    );
  });
});
