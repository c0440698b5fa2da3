/** [seeds 62] in parts: the exact command of ssh and every decision, what of that is secret, and -v for ssh itself. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Person, runAsync, sallyEntry } from './person.ts';
import { sampleTarget } from './reach/sample-targets.ts';
import { account, ServerDouble } from './server-double.ts';

const name = 'shop-production--web';
let server: ServerDouble;
let alice: Person;
let heard: string;

beforeAll(async () => {
  server = new ServerDouble();
  await server.start();
  server.answers['GET /v1/targets'] = {
    account,
    targets: [sampleTarget(name)],
    gateways: [{ name: 'gw', address: '127.0.0.1', ports: [8422], login: null, fingerprint: null }],
    empty_apps: [],
    next: null,
  };
  alice = new Person();
  await alice.login(server.url);
  // Notes the arguments that it is really started with.
  heard = join(alice.home, 'heard');
  const bin = join(alice.home, 'bin');
  mkdirSync(bin);
  const script = `#!/bin/sh\nprintf '%s\\0' ssh "$@" >'${heard}'\nexit 7\n`;
  writeFileSync(join(bin, 'ssh'), script, { mode: 0o755 });
});
afterAll(async () => {
  await server.stop();
  alice.remove();
});

async function sally(argv: readonly string[], environment: Record<string, string> = {}) {
  const found = await runAsync(process.execPath, [sallyEntry, ...argv], {
    ...{ HOME: alice.home, PATH: `${join(alice.home, 'bin')}:${process.env['PATH']}`, SSH_AUTH_SOCK: '' },
    ...environment,
  });
  const started = readFileSync(heard, 'utf8').split('\0').slice(0, -1);
  return { ...found, started };
}

test('[seeds 62] SALLY_DEBUG=1 shows the arguments that ssh gets, word by word, and what was decided on the way', async () => {
  const odd = 'echo \'a  b\' "$HOME" \\ ; true';
  const { code, stdout, stderr, started } = await sally(['ssh', name, '-L', '1:localhost:2', '--', odd], {
    SALLY_DEBUG: '1',
  });
  expect([code, stdout]).toEqual([7, '']);
  const shown = stderr.split('\n').find((line) => line.startsWith('sally debug: runs '));
  expect(JSON.parse(shown?.slice('sally debug: runs '.length) ?? '')).toEqual(started);
  expect(started.slice(-2)).toEqual([`${name}.sallyport`, odd]);
  for (const decision of [
    `goes by the profile default, state in ${alice.paths.own}`,
    /GET http:\S+\/v1\/targets -> 200/,
    `the target is ${name}`,
    `${name} lets ${account} in`,
    'ssh ended with 7',
  ]) {
    expect(stderr).toMatch(decision);
  }
  // Another ssh, given these words, means the same.
  const again = spawnSync(started[0] ?? '', ['-G', ...started.slice(1)], { encoding: 'utf8' });
  expect(again.status).toBe(0);
});

test('[seeds 62] no secret of the login is in it, wherever it turns up', async () => {
  const { tokens, dpop_key } = JSON.parse(readFileSync(alice.paths.session, 'utf8'));
  const command = `curl -H 'Authorization: ${tokens.access_token}' x ${tokens.refresh_token} ${dpop_key.d}`;
  const { stderr, started } = await sally(['ssh', name, '--', command], { SALLY_DEBUG: '1' });
  expect(started.at(-1)).toBe(command);
  for (const secret of [tokens.access_token, tokens.refresh_token, dpop_key.d]) {
    expect(stderr).not.toContain(secret);
  }
  expect(stderr).toContain('Authorization: <redacted>');
  const renewal = await sally(['cert', 'ensure', '--force'], { SALLY_DEBUG: '1' });
  expect(renewal.stderr).toContain('new certificate');
  expect(renewal.stderr).not.toMatch(/(access|refresh)-[0-9a-f]{8}/);
});

test.each([['-v'], ['-vv'], ['-vvv']])(
  '[seeds 62] %s is for ssh, and alone shows nothing of sally',
  async (flag) => {
    const started: string[] = [];
    const { code, stderr } = await alice.sally(['ssh', flag, name], {
      runProgram: async ({ args }) => {
        started.push(...args);
        return 0;
      },
    });
    expect([code, stderr]).toEqual([0, '']);
    expect(started.filter((word) => word === '-v')).toHaveLength(flag.length - 1);
  },
);
