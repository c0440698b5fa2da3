import { readFile, stat } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runProgram } from '../../src/gateway/run-program.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import type { LocalMachine } from './local-machine.ts';
import { createPerson, runSsh, startSsh, until } from './ssh-client.ts';
import { nowSeconds } from './test-authority.ts';
import { alice, appLogin, bob, carol, hasNames, mallory, TestWorld, web } from './test-world.ts';

const world = new TestWorld();
let gateway: { machine: LocalMachine; port: number };
let host: { machine: LocalMachine; port: number };

beforeAll(async () => {
  if (!hasNames) return;
  await world.open();
  host = await world.startMachine('host');
  world.authority.targets = [{ ...web, port: host.port }];
  world.authority.push();
  gateway = await world.startMachine('gateway');
});
afterAll(() => world.close());

const jumpTo = (name: string, command: readonly string[]) => [
  '-J',
  `${name}@127.0.0.1:${gateway.port}`,
  '-p',
  String(host.port),
  `${appLogin}@127.0.0.1`,
  ...command,
];
const at = (name: string, command: readonly string[] = []) => [
  '-p',
  String(gateway.port),
  `${name}@127.0.0.1`,
  ...command,
];

describe.skipIf(!hasNames)('logging in by target name (needs root, sshd, curl, libnss-extrausers)', () => {
  test('a jump by the target name reaches the target', async () => {
    const person = await createPerson(world.authority, world.folder, alice);
    const ran = await runSsh(person, jumpTo(web.targetName, ['id', '-un']));
    expect(ran).toMatchObject({ status: 0, stdout: `${appLogin}\n` });
  });

  test('who asks the gateway for a shell is told the way, and gets none', async () => {
    const person = await createPerson(world.authority, world.folder, alice);
    const ran = await runSsh(person, at(web.targetName, ['id']));
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toContain(`ssh ${web.targetName}.sallyport\n`);
    expect(ran.stderr).toContain(
      `ssh -J ${web.targetName}@gateway.sallyport -p ${host.port} ${appLogin}@127.0.0.1\n`,
    );
  });

  test('a login without MFA is refused with the reason, the parameters and the command', async () => {
    const person = await createPerson(world.authority, world.folder, carol, { mfa: false });
    const ran = await runSsh(person, at(web.targetName));
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toContain('Error: Access denied\n');
    expect(ran.stderr).toContain(`Service: ${web.targetName}\nUser: ${carol}\n`);
    expect(ran.stderr).toContain('Parameters: {"amr":["mfa"]}\n');
    expect(ran.stderr).toMatch(/^Run: sally login --mfa$/m);
  });

  test('whoever is refused can not jump either', async () => {
    const person = await createPerson(world.authority, world.folder, carol, { mfa: false });
    const ran = await runSsh(person, jumpTo(web.targetName, ['id', '-un']));
    expect(ran).toMatchObject({ status: 255, stdout: '' });
  });

  test('MFA older than the environment wants names its age in the parameters', async () => {
    const person = await createPerson(world.authority, world.folder, alice, {
      authTimeSeconds: nowSeconds() - 2_000,
    });
    const ran = await runSsh(person, at(web.targetName));
    expect(ran.stderr).toContain('Parameters: {"amr":["mfa"],"max_age":900}\n');
  });

  test('the age of MFA is that of the second factor, not of the login before it', async () => {
    const long = nowSeconds() - 20_000;
    const renewed = { authTimeSeconds: long, mfaTimeSeconds: nowSeconds() - 60 };
    const person = await createPerson(world.authority, world.folder, alice, renewed);
    expect(await runSsh(person, jumpTo(web.targetName, ['id', '-un']))).toMatchObject({ status: 0 });
    const old = { authTimeSeconds: nowSeconds(), mfaTimeSeconds: nowSeconds() - 2_000 };
    const late = await createPerson(world.authority, world.folder, alice, old);
    expect((await runSsh(late, at(web.targetName))).stderr).toContain('"max_age":900');
  });

  test('a jump opens the way to its target and to nothing else', async () => {
    const person = await createPerson(world.authority, world.folder, alice);
    const elsewhere = ['-W', `127.0.0.1:${gateway.port}`, ...at(web.targetName)];
    expect(await runSsh(person, elsewhere)).toMatchObject({ status: 255, stdout: '' });
  });

  test.each([
    ['of another organization', mallory, { claims: { org: 'other' } }, web.targetName],
    ['without an account here', 'nobody@example.com', {}, web.targetName],
    ['whose claims name somebody else', bob, { claims: { sub: alice } }, web.targetName],
    ['that has expired', alice, { validBeforeSeconds: nowSeconds() - 1 }, web.targetName],
    ['for an unknown target', alice, {}, 'shop-production--none'],
  ])('a certificate %s gets no answer at all', async (_, account, options, target) => {
    const person = await createPerson(world.authority, world.folder, account, options);
    const ran = await runSsh(person, at(target));
    expect(ran).toMatchObject({ status: 255, stdout: '' });
    expect(ran.stderr).toMatch(/Permission denied \(publickey\)/);
    expect(ran.stderr).not.toContain('Error:');
  });

  test('a certificate of another CA gets no answer', async () => {
    const person = await createPerson(world.authority, world.folder, alice, { ca: generateEd25519() });
    expect(await runSsh(person, at(web.targetName))).toMatchObject({ status: 255, stdout: '' });
  });

  test('a certificate offered without its private key is not a started connection', async () => {
    const thief = await createPerson(world.authority, world.folder, bob, {}, { withPrivateKey: false });
    const ran = await runSsh(thief, at(web.targetName));
    expect(ran).toMatchObject({ status: 255, stdout: '' });
    await gateway.machine.companion.checkConnections();
    const reported = world.authority.reports.flatMap(({ connections }) => connections);
    expect(reported.filter(({ session_id }) => session_id === thief.sessionId)).toEqual([]);
  });

  test('a revoked certificate is refused by sshd as soon as the state is acknowledged', async () => {
    const person = await createPerson(world.authority, world.folder, bob);
    expect(await runSsh(person, jumpTo(web.targetName, ['true']))).toMatchObject({ status: 0 });
    world.authority.revoked.push(person.serial);
    const version = world.authority.push({ krl: true });
    const acknowledged = await world.authority.waitForAcknowledgement(
      (found) => found.version === version && found.krl_version === version,
    );
    expect(acknowledged.problem).toBeNull();
    expect(await runSsh(person, at(web.targetName))).toMatchObject({ status: 255, stdout: '' });
    const log = await readFile(gateway.machine.sshd.logFile, 'utf8');
    expect(log).toMatch(/revoked by file/);
  });

  test('a jump is reported as started while it lives, with its target, and as gone afterwards', async () => {
    const person = await createPerson(world.authority, world.folder, alice);
    const running = startSsh(person, jumpTo(web.targetName, ['cat']));
    running.child.stdin?.write('hello\n');
    await running.waitForOutput(/hello/);
    const isOurs = ({ session_id }: { session_id: string }) => session_id === person.sessionId;
    const report = await world.authority.waitForReport(({ connections }) => connections.some(isOurs));
    expect(report.connections.find(isOurs)).toMatchObject({
      account: alice,
      serial: person.serial.toString(),
      target: web.targetName,
    });
    running.child.stdin?.end();
    await running.ended;
    const before = world.authority.reports.length;
    await world.authority.waitForReport(
      (found) => world.authority.reports.indexOf(found) >= before && !found.connections.some(isOurs),
    );
  });

  test('the key ID in the log of sshd names the person and the session', async () => {
    const person = await createPerson(world.authority, world.folder, alice);
    await runSsh(person, at(web.targetName));
    const log = await readFile(gateway.machine.sshd.logFile, 'utf8');
    expect(log).toContain(`ID ${alice}/${person.sessionId} (serial ${person.serial})`);
  });

  test('a target that comes later can be logged in to at once', async () => {
    const api = {
      ...web,
      targetName: 'shop-production--api',
      app: 'api',
      gatewayUid: 600_002,
      port: host.port,
    };
    world.authority.targets = [...world.authority.targets, api];
    const version = world.authority.push();
    const count = (found: string) =>
      world.authority.acknowledgements.filter((one) => one.version === found).length;
    await world.authority.waitForAcknowledgement(() => count(version) >= 2);
    const person = await createPerson(world.authority, world.folder, alice);
    const ran = await runSsh(person, jumpTo(api.targetName, ['id', '-un']));
    expect(ran).toMatchObject({ status: 0, stdout: `${appLogin}\n` });
  });

  test('a host certificate renewed without a new version is presented after a reload that ends no connection', async () => {
    const person = await createPerson(world.authority, world.folder, alice);
    const running = startSsh(person, jumpTo(web.targetName, ['cat']));
    running.child.stdin?.write('before\n');
    await running.waitForOutput(/before/);
    const certificate = () => readFile(gateway.machine.paths.hostCertificate, 'utf8');
    const old = await certificate();
    world.authority.renewHostCertificates();
    await world.authority.pushDocument((state) => state);
    await until(async () => (await certificate()) !== old, 'a new host certificate');
    await until(
      async () => (await readFile(gateway.machine.sshd.logFile, 'utf8')).includes('Received SIGHUP'),
      'the reload',
    );
    running.child.stdin?.end('after\n');
    expect(await running.ended).toMatchObject({ status: 0, stdout: 'before\nafter\n' });
    await until(async () => (await runSsh(person, at(web.targetName))).status === 1, 'sshd is back');
  });

  test('nobody but the command of sshd may ask principals.sock', async () => {
    const { principalsSocket } = gateway.machine.paths;
    const found = await stat(principalsSocket);
    expect([found.mode & 0o777, found.uid]).toEqual([0o600, 599_999]);
  });

  test('a question that names a process which is no connection of this sshd is denied', async () => {
    const person = await createPerson(world.authority, world.folder, alice);
    const args = [
      '-q',
      '-sS',
      '--unix-socket',
      gateway.machine.paths.principalsSocket,
      '--data-urlencode',
      `ppid=${process.pid}`,
      '--data-urlencode',
      `user=${web.targetName}`,
      '--data-urlencode',
      `key=${person.certificate.toString('base64')}`,
      'http://gateway/principals',
    ];
    expect(await runProgram('/usr/bin/curl', args)).toMatchObject({ status: 0, stdout: '' });
  });
});
