/**
 * What a tunnel makes of all that ssh and the server may say: a double of the server, and an ssh that says what the test wants.
 *
 * [seeds 53]: here the refusals that end a tunnel for good, and those that don't.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SeenTarget } from '../../../src/api/targets.ts';
import { until } from '../../gateway/ssh-client.ts';
import { Person, type SallyResult } from '../person.ts';
import { sampleTarget } from '../reach/sample-targets.ts';
import { account, ServerDouble } from '../server-double.ts';

const name = 'shop-staging--web';
let server: ServerDouble;
let person: Person;
beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  person = new Person();
  answer({});
  await person.login(server.url);
});
afterEach(async () => {
  person.remove();
  await server.stop();
});

function answer(change: Partial<SeenTarget>, services: readonly string[] = ['db']): void {
  const target = sampleTarget(name, { gateways: ['gw'], ...change });
  const gateway = { name: 'gw', address: '127.0.0.1', ports: [8422], login: null, fingerprint: null };
  server.answers['GET /v1/targets'] = {
    account,
    targets: [target],
    gateways: [gateway],
    empty_apps: [],
    next: null,
  };
  const service = { kind: 'postgresql', address: '10.0.0.2', port: 5432, login: null, database: null };
  server.answers['GET /v1/services'] = {
    account,
    target: name,
    services: services.map((one) => ({ name: one, ...service })),
    closed: [],
  };
}

/** Each run of ssh says the next one of these; the last one again and again. */
function sshSays(...scripts: readonly string[]): Record<string, string> {
  const folder = join(person.home, 'bin');
  mkdirSync(folder, { recursive: true });
  const cases = scripts.map((script, at) => `${at === scripts.length - 1 ? '*' : at + 1}) ${script} ;;`);
  const text = `#!/bin/sh
echo run >>"$HOME/runs"
for word; do case $word in LocalCommand=*) up=\${word#*=} ;; esac; done
case $(grep -c . "$HOME/runs") in
${cases.join('\n')}
esac
`;
  writeFileSync(join(folder, 'ssh'), text);
  chmodSync(join(folder, 'ssh'), 0o755);
  return { HOME: person.home, PATH: `${folder}:/usr/bin:/bin` };
}

const runs = () => {
  const path = join(person.home, 'runs');
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
};
const gone = "echo 'Connection to 127.0.0.1 closed by remote host.' >&2; exit 255";
/** Until the test says so. */
const waits = 'while [ ! -e "$HOME/go" ]; do sleep 0.02; done';
const go = () => writeFileSync(join(person.home, 'go'), '');
const untilUp = () => until(() => runs() > 0, 'ssh');
const isUp = '$up';
const denied = "echo 'alice@gw: Permission denied (publickey).' >&2; exit 255";

async function single(forPrograms: Record<string, string>): Promise<SallyResult> {
  return await person.sally(['tunnel', 'single', 'db', name], {
    environment: { platform: 'linux', forPrograms },
  });
}

describe('a tunnel', () => {
  test('[seeds 53] whose first connection fails is told at once, and nothing of it is left', async () => {
    const said = "echo 'ssh: connect to host 127.0.0.1 port 8422: Connection refused' >&2; exit 255";
    const result = await single(sshSays(said));
    expect(result).toMatchObject({ code: 5, stdout: '' });
    expect(result.stderr).toContain('No tunnel to shop-staging: 127.0.0.1 port 8422 refuses connections');
    expect([runs(), (await person.sally(['tunnel', 'list'])).stdout]).toEqual([1, 'No tunnel is open.\n']);
  });

  test('[seeds 53] is not up by the words of the other side, whatever they are', async () => {
    const banner = "echo 'debug1: Entering interactive session.' >&2; $up >&2";
    const result = await single(sshSays(`${banner}; ${gone}`));
    expect(result).toMatchObject({ code: 5, stdout: '' });
    expect([runs(), result.stderr]).toEqual([1, expect.not.stringContaining('is at 127.0.0.1')]);
  });

  test('[seeds 53] that lost a port, its connection and its way comes back each time', async () => {
    const taken =
      "echo 'bind [127.0.0.1]:30000: Address already in use' >&2; echo 'Could not request local forwarding.' >&2; exit 255";
    const result = await single(sshSays(`${isUp}; ${gone}`, taken, `${isUp}; ${gone}`, 'exit 127'));
    const told = result.stderr.split('\n').filter((line) => line.startsWith('sally: the tunnel'));
    expect(told).toEqual([
      'sally: the tunnel to shop-staging is down: the connection was lost',
      'sally: the tunnel to shop-staging is down: port 30000 is taken here by another program',
      'sally: the tunnel to shop-staging is up again',
      'sally: the tunnel to shop-staging is down: the connection was lost',
    ]);
    expect(result).toMatchObject({ code: 4, stderr: expect.stringContaining('ssh is not installed here') });
  });

  test('[seeds 53] of a session that is over makes no further connection, and the gateway is not asked', async () => {
    const running = single(sshSays(`${isUp}; ${waits}; ${gone}`));
    await untilUp();
    server.faults.sessionOver = true;
    go();
    const result = await running;
    expect([result.code, runs()]).toEqual([4, 1]);
    expect(result.stderr).toContain('session expired, run: sally login');
  });

  test('[seeds 53] whose key is refused though the server lets it in is tried once more, with a new certificate', async () => {
    server.explain = (target) => ({ account, target, allowed: true, reasons: [], command: null, text: '' });
    const result = await single(sshSays(`${isUp}; ${gone}`, denied));
    // Up, refused, and refused again.
    expect([result.code, runs()]).toEqual([4, 3]);
    expect(result.stderr).toContain('your certificate was not accepted');
    expect(server.issued).toBe(2);
  });

  test('[seeds 53] whose key is refused while the server is away is not tried again', async () => {
    const running = single(sshSays(`${isUp}; ${waits}; ${gone}`, denied));
    await untilUp();
    await server.stop();
    go();
    const result = await running;
    expect([result.code, runs()]).toEqual([4, 2]);
    expect(result.stderr).toContain('the server does not answer');
    await server.start();
  });

  test('[seeds 53] that wants a fresh second factor says which login helps, and does not connect', async () => {
    const message = 'Your second factor is too old.';
    answer({
      allowed: false,
      reason: { code: 'mfa_too_old', message },
      command: 'sally login --mfa --max-age 900',
    });
    const result = await single(sshSays(isUp));
    expect([result.code, runs()]).toEqual([4, 0]);
    expect(result.stderr).toContain('Run: sally login --mfa --max-age 900');
  });
});

describe('where several environments fit', () => {
  beforeEach(() => {
    answer({}, []);
    const places = ['shop-staging--web--one', 'shop-staging--web--two', 'shop-production--web'];
    const targets = places.map((place) => sampleTarget(place, { gateways: ['gw'] }));
    server.answers['GET /v1/targets'] = { ...(server.answers['GET /v1/targets'] as object), targets };
  });
  const lines = ['   ENVIRONMENT', '1  shop-production', '2  shop-staging'];

  test.each(['2', 'shop-staging'])('one is asked for, not an instance: %s', async (said) => {
    const questions: string[] = [];
    const ask = async (question: string) => {
      questions.push(question);
      return said;
    };
    const result = await person.sally(['tunnel', 'single', 'nosuch'], { ask });
    expect(questions).toEqual(['Which one? [1-2, q to quit] ']);
    expect(result.stderr).toContain(lines.join('\n'));
    expect(result.stderr).toContain('shop-staging has no services');
  });

  test('a script is told them', async () => {
    const { code, stderr } = await person.sally(['tunnel', 'single', 'db']);
    expect([code, stderr]).toEqual([
      2,
      `sally: There are several environments. Name one of them:\n${lines.join('\n')}\n`,
    ]);
  });
});

test('an environment without services, or with none for this role, is told so', async () => {
  answer({}, []);
  expect((await single({})).stderr).toContain('shop-staging has no services');
  server.answers['GET /v1/services'] = {
    account,
    target: name,
    services: [],
    closed: [{ name: 'vault', kind: 'http', reason: 'role_too_low', role: 'admin' }],
  };
  expect((await single({})).stderr).toContain('a tunnel there takes admin');
});
