/** The second leg: whose key it has, who may use what for it, and what becomes of a session that can't have one. */
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createCompanion } from '../../src/gateway/companion.ts';
import { readProcess, readProcesses, readTitle } from '../../src/gateway/proc.ts';
import { processTree } from '../../src/gateway/process-tree.ts';
import { runProgram } from '../../src/gateway/run-program.ts';
import { parseCertificateLine } from '../../src/ssh/parse-certificate.ts';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { treesAt } from './connection-trees.ts';
import { RelayWorld } from './relay-world.ts';
import { runSsh, until } from './ssh-client.ts';
import { hasNames, web } from './test-world.ts';

const world = new RelayWorld();
const { authority } = world;
beforeAll(async () => {
  if (hasNames) await world.open();
});
afterEach(() => {
  world.killStarted();
  authority.refusesHop = async () => undefined;
});
afterAll(() => world.close());

const at = (...command: string[]) => world.at(web.targetName, ...command);

async function route(ticket: string, more: readonly string[] = []) {
  const socket = world.gateway.machine.paths.routeSocket;
  const asking = ['-q', '-s', '-w', '%{http_code}', '--unix-socket', socket];
  const form = ['--data-urlencode', `ticket=${ticket}`, ...more.flatMap((one) => ['--data-urlencode', one])];
  return (await runProgram('/usr/bin/curl', [...asking, ...form, 'http://gateway/route'])).stdout;
}

describe.skipIf(!hasNames)('a second leg (needs root, sshd, curl, libnss-extrausers)', () => {
  test('[seeds 44] has a key of its own, certified for the one host and the gateway’s address, and none of the person’s', async () => {
    const person = await world.person();
    const before = authority.hops.length;
    const running = world.start(person, at('ssh-add -l 2>&1; env; while date; do sleep 0.2; done'));
    await running.waitForOutput(/\d\d:\d\d:\d\d/);
    const [asked, ...others] = authority.hops.slice(before);
    expect(others).toEqual([]);
    expect(asked).toMatchObject({ target: web.targetName });
    const source = parseCertificateLine(asked?.source_certificate ?? '');
    expect(source.serial).toBe(person.serial);
    const key = parsePublicKeyLine(asked?.public_key ?? '').blob;
    expect(key.equals(person.key.publicKeyBlob)).toBe(false);

    const log = await readFile(world.host.machine.sshd.logFile, 'utf8');
    expect(log).toMatch(new RegExp(`Accepted certificate ID "${person.account}/${person.sessionId}"`));
    // Nothing of a key lies anywhere on the gateway, and nobody can ask for one any more.
    const { runFolder } = world.gateway.machine.paths;
    expect(await readdir(join(runFolder, 'agents'))).toEqual([]);
    for (const name of await readdir(runFolder)) {
      const text = await readFile(join(runFolder, name), 'latin1').catch(() => '');
      expect(text).not.toContain('PRIVATE KEY');
    }
    expect(running.stdout).not.toContain('SSH_AUTH_SOCK');
  });

  test('[seeds 44] is good from the gateway’s address alone', async () => {
    const criticalOptions = [{ name: 'source-address', value: '127.0.0.9' }];
    const issue = authority.hopCertificate.bind(authority);
    authority.hopCertificate = (options) => issue({ ...options, criticalOptions });
    try {
      const ran = await runSsh(await world.person(), at('true'));
      expect(ran).toMatchObject({ status: 255, stdout: '' });
      expect(ran.stderr).toContain('Permission denied');
    } finally {
      authority.hopCertificate = issue;
    }
  });

  test('is started without the person’s configuration, with nothing of theirs in its words', async () => {
    const person = await world.person();
    const running = world.start(person, at('while date; do sleep 0.2; done'));
    await running.waitForOutput(/\d/);
    const tree = await treesAt(world.gateway, authority, person);
    const titles = tree.map(({ pid }) => readTitle(pid));
    const ssh = titles.find((title) => title.startsWith('/usr/bin/ssh ')) ?? '';
    for (const option of [
      '-F /dev/null',
      'BatchMode=yes',
      'EscapeChar=none',
      'PermitLocalCommand=no',
      'StrictHostKeyChecking=yes',
      'ClearAllForwardings=yes',
      'ControlPath=none',
      `HostKeyAlias=${web.targetName}.sallyport`,
    ]) {
      expect(ssh).toContain(` ${option}`);
    }
    expect(ssh).toMatch(/ -- 127\.0\.0\.1 while date; do sleep 0\.2; done$/);
    // The ticket is gone from the words of the session with the program that used it.
    expect(titles.filter((title) => /\/route [0-9a-f]{32}/.test(title))).toEqual([]);
  });

  test('goes to no machine that the CA does not vouch for', async () => {
    const person = await world.person();
    const impostor = createServer((socket) => socket.end('not ssh\r\n'));
    await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve));
    const place = impostor.address();
    await world.install({ port: typeof place === 'object' && place ? place.port : 0 });
    expect((await runSsh(person, at('true'))).status).toBe(255);
    impostor.close();

    // A real sshd, whose host certificate is another target's.
    const name = 'shop-production--other';
    authority.targets = [world.target(), world.target({ targetName: name, gatewayUid: 600_009 })];
    await world.pushed();
    const ran = await runSsh(person, world.at(name, 'true'));
    expect(ran).toMatchObject({ status: 255, stdout: '' });
    expect(ran.stderr).toMatch(/[Hh]ost key|certificate/);
    await world.install();
    expect((await runSsh(person, at('true'))).status).toBe(0);
  });

  test('without the CA it is not to be had, and the words say what is', async () => {
    const person = await world.person();
    authority.refusesHop = async () => ({ code: 'unavailable', detail: 'away' });
    const ran = await runSsh(person, at('true'));
    expect(ran).toMatchObject({ status: 1, stdout: '' });
    expect(ran.stderr).toContain('Error: Not available right now\n');
    expect(ran.stderr).toContain(`Service: ${web.targetName}\nUser: ${person.account}\n`);
    expect(ran.stderr).toContain(`ssh -J ${web.targetName}@gateway.sallyport`);
    const jump = ['-J', `${web.targetName}@127.0.0.1:${world.gateway.port}`, '-p', String(world.host.port)];
    expect((await runSsh(person, [...jump, 'app@127.0.0.1', 'true'])).status).toBe(0);
  });

  test('what the CA says against it is told', async () => {
    authority.refusesHop = async () => ({ code: 'access_denied', detail: 'Not \u001b[2Jyou.' });
    const { status, stderr } = await runSsh(await world.person(), at('true'));
    expect(status).toBe(1);
    expect(stderr).toContain('Error: Access denied\n');
    expect(stderr).toContain('Detail: Not ?[2Jyou.\n');
  });

  test('is asked for only with the ticket of a connection that lives', async () => {
    const person = await world.person();
    const running = world.start(person, at('echo up; exec sleep 60'));
    // Held back, the session shows its ticket for as long as it takes to read it.
    const reached = Promise.withResolvers<void>();
    const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>();
    authority.refusesHop = async () => {
      reached.resolve();
      await mayGoOn;
      return undefined;
    };
    await reached.promise;
    const { pid, startTime = '' } = readProcess(world.gateway.machine.sshd.pid) ?? { pid: 0 };
    const tickets = processTree({ pid, startTime }, readProcesses()).descendants.flatMap(
      ({ pid }) => /\/route ([0-9a-f]{32})$/.exec(readTitle(pid))?.[1] ?? [],
    );
    const [ticket = ''] = tickets;
    expect(new Set(tickets).size).toBe(1);
    goOn();
    await running.waitForOutput(/up/);
    authority.refusesHop = async () => undefined;
    const flipped = ticket.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    for (const guess of ['', '0'.repeat(32), flipped, ticket.slice(1)])
      expect(await route(guess)).toBe('403');
    expect(await route(ticket)).toMatch(/^relay\n.*200$/s);

    running.child.kill('SIGKILL');
    await until(async () => (await route(ticket)) === '403', 'the end of the ticket');
    expect(JSON.stringify(world.logged)).not.toContain(ticket);
  });

  test('lives through a companion that is started again, and so does the way to new sessions', async () => {
    const person = await world.person();
    const socket = join(person.folder, 'control');
    const master = world.start(person, ['-M', '-S', socket, ...at('while date; do sleep 0.2; done')]);
    await master.waitForOutput(/\d/);
    const { companion, companionOptions } = world.gateway.machine;
    await companion.stop();
    const away = await runSsh(person, ['-S', socket, ...at('echo over')]);
    expect(away).toMatchObject({ status: 1, stdout: '' });
    expect(away.stderr).toContain('does not answer');

    const next = createCompanion(companionOptions);
    await next.start();
    try {
      master.stdout = '';
      await master.waitForOutput(/\d/);
      expect(await runSsh(person, ['-S', socket, ...at('echo over')])).toMatchObject({
        status: 0,
        stdout: 'over\n',
      });
    } finally {
      await next.stop();
    }
  });
});
