/**
 * [seeds 14] in parts: two accounts side by side with one in ssh's config; the switch with its files and the agent; the
 * switch that dies in its middle.
 */
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { changeProfileSettings, readProfileSettings } from '../../src/cli/profiles/profile-settings.ts';
import { forProfile } from '../../src/cli/profiles/suggested-commands.ts';
import { switchSteps } from '../../src/cli/profiles/switch-profile.ts';
import { statePaths } from '../../src/cli/state-paths.ts';
import { optionsOf, Person, run, runAsync } from './person.ts';
import type { CrashAfter } from './profiles-child.ts';
import { sampleTarget } from './reach/sample-targets.ts';
import { account, ServerDouble } from './server-double.ts';

let home: ServerDouble;
let office: ServerDouble;
let alice: Person;
let agent: { readonly pid: number; readonly socket: string } | undefined;

const work = () => statePaths(alice.home, 'person', 'work');

beforeEach(async () => {
  [home, office] = [new ServerDouble(), new ServerDouble()];
  await Promise.all([home.start(), office.start()]);
  office.configuration = {
    ...office.configuration,
    targets: [{ name: 'desk-main--web', gateway: null, address: '127.0.0.2', port: 2022, login: 'app' }],
  };
  alice = new Person();
});
afterEach(async () => {
  if (agent) process.kill(agent.pid);
  agent = undefined;
  await Promise.all([home.stop(), office.stop()]);
  alice.remove();
});

async function bothLoggedIn(): Promise<void> {
  await alice.login(home.url);
  expect((await alice.sally(['profile', 'add', 'work', '--server', office.url])).code).toBe(0);
  const { code, stdout } = await alice.sally(['login', '--profile', 'work']);
  expect(code).toBe(0);
  expect(stdout).toContain('sally profile use work');
}

/** What ssh goes by: whose key, whose host authorities, whose machines. */
function sshGoesBy(): { identity: string; knownHosts: string; web: string; desk: string } {
  const web = alice.sshOptions('shop-production--web.sallyport');
  const desk = alice.sshOptions('desk-main--web.sallyport');
  return {
    identity: web.get('identityfile')?.join(' ') ?? '',
    knownHosts: web.get('userknownhostsfile')?.join(' ') ?? '',
    web: web.get('hostname')?.[0] ?? '',
    desk: desk.get('hostname')?.[0] ?? '',
  };
}

const byDefault = () => ({
  identity: expect.stringContaining(`${alice.paths.folder}/pairs/`),
  knownHosts: alice.paths.knownHosts,
  web: '127.0.0.1',
  desk: 'desk-main--web.sallyport',
});
const byWork = () => ({
  identity: expect.stringContaining(`${work().personOwn}/pairs/`),
  knownHosts: work().knownHosts,
  web: 'shop-production--web.sallyport',
  desk: '127.0.0.2',
});

async function listed(): Promise<{ name: string; active: boolean; state: string; server: string }[]> {
  return JSON.parse((await alice.sally(['profile', 'list', '--json'])).stdout).profiles;
}

describe('profiles', () => {
  test('[seeds 14] two logins lie side by side; ssh goes by one, and one command by the other where it is told', async () => {
    await bothLoggedIn();
    expect(sshGoesBy()).toEqual(byDefault());
    expect(await listed()).toMatchObject([
      { name: 'default', active: true, state: 'logged-in', server: home.url },
      { name: 'work', active: false, state: 'logged-in', server: office.url },
    ]);
    const status = async (argv: string[], profile?: string) =>
      JSON.parse((await alice.sally([...argv, '--json'], { environment: { profile } })).stdout).server;
    expect(await status(['status'])).toBe(home.url);
    expect(await status(['--profile', 'work', 'status'])).toBe(office.url);
    expect(await status(['status'], 'work')).toBe(office.url);
    expect(await status(['status', '--profile', 'default'], 'work')).toBe(home.url);
    expect((await alice.sally(['status', '--profile', 'wokr'])).stderr).toContain('no profile wokr');
  });

  test('what sally suggests is for the profile that it was given', async () => {
    await alice.sally(['profile', 'add', 'work', '--server', office.url]);
    for (const [argv, login] of [
      [['ls'], 'sally login'],
      [['--profile', 'work', 'ls'], 'sally --profile work login'],
      [['ls', '--profile', 'work'], 'sally --profile work login'],
    ] as const) {
      const { code, stderr } = await alice.sally(argv);
      expect([code, stderr]).toEqual([3, `sally: Nobody is logged in here. Run: ${login}\n`]);
    }
    const { stdout } = await alice.sally(['--profile', 'work', 'status']);
    expect(stdout).toContain('Nobody is logged in. Run: sally --profile work login');
    const { stdout: examined } = await alice.sally(['--profile', 'work', 'doctor', '--offline']);
    expect(examined).toContain('Fix: sally --profile work login');
    expect(forProfile('If that is so: sally profile trust', 'work')).toContain(
      'sally --profile work profile trust',
    );
    expect(forProfile('sally profile set --ca-file FILE', 'work')).toContain(
      '--profile work profile set --ca',
    );
    expect(forProfile('sally profile list', 'work')).toBe('sally profile list');
    expect(forProfile('\u001b[1msally ls\u001b[22m', 'work')).toContain('sally --profile work ls');
  });

  test('[seeds 14] a switch changes whose keys, machines and host authorities ssh goes by, empties the agent of the other, and ends nothing', async () => {
    await bothLoggedIn();
    const { environment, keys } = await agentWithBoth();
    expect(keys()).toHaveLength(5);

    const { code, stdout } = await alice.sally(['profile', 'use', 'work'], { environment });
    expect(code).toBe(0);
    expect(stdout).toContain('From now on ssh goes by the profile work');
    expect(sshGoesBy()).toEqual(byWork());
    // Work's key and certificate, and the person's own key.
    expect(keys()).toHaveLength(3);
    expect(keys().join('\n')).toContain('my own');

    expect((await alice.sally(['profile', 'use', 'default'], { environment })).code).toBe(0);
    expect(sshGoesBy()).toEqual(byDefault());
    expect(keys()).toHaveLength(1);
    expect([...home.ended, ...office.ended]).toEqual([]);
    for (const name of ['default', 'work']) {
      const { stdout: said } = await alice.sally(['cert', 'ensure', '--force', '--profile', name]);
      expect(said).toContain('renewed');
    }
  });

  test.each(switchSteps)('[seeds 14] a switch killed after %s leaves one of the two whole', async (step) => {
    await bothLoggedIn();
    const after: CrashAfter = step;
    const program = join(import.meta.dirname, 'profiles-child.ts');
    const child = await runAsync(process.execPath, [program, alice.home, 'work', after]);
    expect(child.code).toBe(-1);
    const isDone = step === 'config-replaced' || step === 'agent-emptied';
    expect(sshGoesBy()).toEqual(isDone ? byWork() : byDefault());
    const active = (await listed()).filter((one) => one.active).map(({ name }) => name);
    expect(active).toEqual([isDone ? 'work' : 'default']);
    // The next one begins where it was left.
    expect((await alice.sally(['profile', 'use', 'work'])).code).toBe(0);
    expect(sshGoesBy()).toEqual(byWork());
  });

  test('[seeds 14] a renewal of a profile that is not active touches no file of the active one', async () => {
    await bothLoggedIn();
    const before = filesBut(alice.paths.folder, 'profiles');
    office.configuration = { ...office.configuration, targets: [] };
    const { code } = await alice.sally(['cert', 'ensure', '--force', '--profile', 'work']);
    expect(code).toBe(0);
    expect(readFileSync(work().hosts, 'utf8')).not.toContain('desk-main--web');
    expect(filesBut(alice.paths.folder, 'profiles')).toEqual(before);
  });

  test("the fast path of the active profile renews that profile's certificate", async () => {
    await bothLoggedIn();
    await alice.sally(['profile', 'use', 'work']);
    rmSync(work().renewAfter);
    const before = [home.issued, office.issued];
    const { code } = await runAsync('ssh', ['-F', alice.paths.userConfig, '-G', 'desk-main--web.sallyport'], {
      SALLY_PROFILE: 'default',
    });
    expect(code).toBe(0);
    expect([home.issued, office.issued]).toEqual([before[0], (before[1] ?? 0) + 1]);
  });

  test("[seeds 14] sally ssh in a profile that is not active gives ssh that profile's own config, whole", async () => {
    await bothLoggedIn();
    const gateway = { name: 'gw', address: '127.0.0.1', ports: [8422], login: null, fingerprint: null };
    const target = sampleTarget('desk-main--web', {
      gateways: ['host'],
      ways: ['host'],
      address: '127.0.0.2',
      port: 2022,
    });
    office.answers['GET /v1/targets'] = {
      account,
      targets: [target],
      gateways: [gateway],
      empty_apps: [],
      next: null,
    };
    const started: string[] = [];
    const runProgram = async ({ args }: { args: readonly string[] }) => {
      started.push(...args);
      return 0;
    };
    const { code, stderr } = await alice.sally(['ssh', '--profile', 'work', 'desk-main--web'], {
      runProgram,
    });
    expect([code, stderr]).toEqual([0, '']);
    expect(started.slice(0, 2)).toEqual(['-F', work().profileConfig]);
    const { stdout } = run('ssh', ['-T', ...started.slice(0, 2), '-G', 'desk-main--web.sallyport']);
    const options = optionsOf(stdout);
    expect(options.get('hostname')).toEqual(['127.0.0.2']);
    expect(options.get('identityfile')?.join(' ')).toContain(`${work().personOwn}/pairs/`);
    expect(sshGoesBy()).toEqual(byDefault());
  });

  test('a profile that nobody is logged in to offers no other key of the home', async () => {
    await alice.login(home.url);
    await alice.sally(['profile', 'add', 'work', '--server', office.url]);
    expect((await alice.sally(['profile', 'use', 'work'])).stdout).toContain('Next: sally login');
    expect(alice.sshOptions('desk-main--web.sallyport').get('identityfile')).toEqual(['none']);
  });

  test('the first profile of a home is the active one, and a later login of it installs its config', async () => {
    await alice.sally(['profile', 'add', 'work', '--server', office.url]);
    expect((await alice.sally(['login'])).code).toBe(0);
    expect(sshGoesBy()).toEqual(byWork());
    // What ssh does not include any more is still remembered.
    await alice.sally(['ssh-config', 'uninstall']);
    expect((await listed()).find(({ active }) => active)?.name).toBe('work');
  });

  test('removing one logs out of it; the active one stays', async () => {
    await bothLoggedIn();
    expect((await alice.sally(['profile', 'remove', 'work'])).stderr).toContain('--yes');
    expect((await alice.sally(['profile', 'remove', 'default', '--yes'])).code).toBe(2);
    expect((await alice.sally(['profile', 'remove', 'work', '--yes'])).code).toBe(0);
    expect(office.ended).toHaveLength(1);
    expect(home.ended).toEqual([]);
    expect(alice.has(work().personOwn)).toBe(false);
    expect(sshGoesBy()).toEqual(byDefault());
  });

  test.each(['../x', '-x', 'A', 'a b', ''])('a profile is not called %j', async (name) => {
    const { code } = await alice.sally(['profile', 'add', '--server', office.url, '--', name]);
    expect(code).toBe(2);
    expect(alice.has(alice.paths.folder)).toBe(false);
  });
});

test('what many change in the settings of a profile at the same moment is all kept', async () => {
  await alice.sally(['profile', 'add', 'work', '--server', 'https://ssh.example.com']);
  const paths = statePaths(alice.home, 'person', 'work');
  const anchor = { spki: 'x', name: 'Own authority', is_public: false };
  const origins = Array.from({ length: 8 }, (_, at) => `https://${at}.example.com`);
  const changes = origins.map((origin) =>
    changeProfileSettings(paths, ({ anchors }) => ({ anchors: { ...anchors, [origin]: anchor } })),
  );
  await Promise.all([...changes, alice.sally(['ssh-config', 'policy', 'ask', '--profile', 'work'])]);
  const { anchors, ssh_config, server: kept } = await readProfileSettings(paths);
  expect([Object.keys(anchors).sort(), ssh_config, kept]).toEqual([
    origins,
    'ask',
    'https://ssh.example.com',
  ]);
});

test('a session file of version 2 is still a login, and becomes one of version 3 at the next renewal', async () => {
  await alice.login(home.url);
  const { secrets, key, ...rest } = JSON.parse(readFileSync(alice.paths.session, 'utf8'));
  expect({ secrets, key }).toEqual({ secrets: 'file', key: { kind: 'file' } });
  writeFileSync(alice.paths.session, JSON.stringify({ ...rest, v: 2 }), { mode: 0o600 });
  expect((await alice.sally(['status'])).code).toBe(0);
  expect((await alice.sally(['cert', 'ensure', '--force'])).code).toBe(0);
  expect(JSON.parse(readFileSync(alice.paths.session, 'utf8'))).toMatchObject({ v: 3, secrets: 'file' });
});

/** A real ssh-agent with a key of the person's own and the keys and certificates of both profiles. */
async function agentWithBoth() {
  const socket = join(alice.home, 'agent');
  const { stdout } = run('ssh-agent', ['-a', socket]);
  agent = { socket, pid: Number(/SSH_AGENT_PID=(\d+)/.exec(stdout)?.[1]) };
  const environment = { SSH_AUTH_SOCK: socket };
  const own = join(alice.home, 'own');
  run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'my own', '-f', own]);
  for (const { pairs } of [alice.paths, work()]) {
    const [pair = ''] = readdirSync(pairs);
    run('ssh-add', ['-q', join(pairs, pair, 'id_ed25519')], environment);
  }
  run('ssh-add', ['-q', own], environment);
  return {
    environment: { forPrograms: { ...process.env, ...environment } },
    keys: () =>
      run('ssh-add', ['-l'], environment)
        .stdout.split('\n')
        .filter((line) => /^\d/.test(line)),
  };
}

/** Every file below, with its bytes and when it was written. */
function filesBut(folder: string, but: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    if (name.split('/')[0] === but || !statSync(path).isFile()) continue;
    found[name] = `${statSync(path).mtimeMs} ${readFileSync(path, 'base64')}`;
  }
  return found;
}
