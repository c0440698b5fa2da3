/**
 * Many people behind one address, one of whom is revoked and keeps trying. sshd's penalties (OpenSSH 9.8 and later) are
 * at work where the installed sshd has them; which lines it is given is in sshd-configuration.test.ts.
 */
import { randomUUID } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalMachine } from './local-machine.ts';
import { createPerson, type Person, runSsh } from './ssh-client.ts';
import { alice, appLogin, bob, hasNames, TestWorld, web } from './test-world.ts';

const world = new TestWorld();
const { authority } = world;
let machine: LocalMachine;
let port: number;
let revoked: Person;
let colleague: Person;

/** As a client that has refreshed often and offers all that it has: each is a try of its own to sshd (MaxAuthTries 6). */
const certificates = 5;
const connections = 20;
/** At once, as a program that is in a hurry would. */
const lanes = 5;

beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  // No network is exempt from penalties here.
  ({ machine, port } = await world.startMachine('host', { penaltyExemptions: [] }));
  authority.targets = [{ ...web, port }];
  const session = { sessionId: randomUUID() };
  const refreshes = await Promise.all(
    Array.from({ length: certificates }, () => createPerson(authority, world.folder, alice, session)),
  );
  [revoked] = refreshes as [Person];
  const offers = refreshes.map(
    ({ folder }) => `IdentityFile ${folder}/id\nCertificateFile ${folder}/id-cert.pub\n`,
  );
  await appendFile(revoked.configuration, offers.join(''));
  colleague = await createPerson(authority, world.folder, bob);
  authority.revoked = refreshes.map(({ serial }) => serial);
  const version = authority.push({ krl: true });
  await authority.waitForAcknowledgement((found) => found.version === version);
});
afterAll(() => world.close());

const login = (person: Person, user = appLogin) =>
  runSsh(person, ['-p', String(port), `${user}@127.0.0.1`, 'echo in']);

describe.skipIf(!hasNames)('an office (needs root, sshd, curl, libnss-extrausers)', () => {
  test('[abuse 117] a hundred tries with a revoked certificate keep nobody else of the same address out', async () => {
    let left = connections;
    const statuses: (number | null)[] = [];
    const lane = async () => {
      while (left > 0) {
        left -= 1;
        statuses.push((await login(revoked)).status);
      }
    };
    const trying = Promise.all(Array.from({ length: lanes }, lane));
    // In the middle of it, and after it.
    expect(await login(colleague)).toMatchObject({ status: 0, stdout: 'in\n' });
    await trying;
    expect(statuses).toEqual(Array.from({ length: connections }, () => 255));
    const log = await readFile(machine.sshd.logFile, 'utf8');
    expect(log.match(/revoked/g)?.length ?? 0).toBeGreaterThanOrEqual(connections * certificates);
    expect(await login(colleague)).toMatchObject({ status: 0, stdout: 'in\n' });
  });

  test('[abuse 117] neither do names that do not exist', async () => {
    await Promise.all(Array.from({ length: lanes }, () => login(colleague, 'no-such-name')));
    expect(await login(colleague)).toMatchObject({ status: 0, stdout: 'in\n' });
  });
});
