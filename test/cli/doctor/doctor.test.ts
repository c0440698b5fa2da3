/** `sally doctor` meets real faults: real files, the real ssh, the real ssh-agent. Each is made, found, and mended. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { checkNames } from '../../../src/cli/doctor/finding.ts';
import { gatherPlaces } from '../../../src/cli/doctor/gather-places.ts';
import { judgeKey, type KeyFacts } from '../../../src/cli/doctor/key.ts';
import { judgePermissions } from '../../../src/cli/doctor/permissions.ts';
import { run } from '../person.ts';
import { account, sessionId } from '../server-double.ts';
import { DoctorWorld, type Patient } from './doctor-world.ts';

let world: DoctorWorld;
beforeAll(async () => {
  world = await DoctorWorld.open();
});
afterAll(() => world?.close());
beforeEach(() => world.reset());

const later = (seconds: number) => ({ now: () => new Date(Date.now() + seconds * 1000) });
const inPath = (...folders: string[]) => ({ environment: { forPrograms: { PATH: folders.join(':') } } });

describe('sally doctor', () => {
  test('finds nothing where nothing is wrong, changes nothing, and ends with 0', async () => {
    const alice = await world.somebody();
    const before = alice.tree();
    const { code, checks } = await alice.doctor();
    expect(checks.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
    expect(new Set(checks.map(({ check }) => check)).size).toBe(checkNames.length);
    expect(code).toBe(0);
    expect(alice.tree()).toEqual(before);
  });

  test('says what it can without a login, without a home of ours, and offline', async () => {
    const alice = await world.somebody();
    rmSync(alice.paths.sshFolder, { recursive: true });
    const { code, checks } = await alice.doctor(['--offline']);
    expect(code).toBe(0);
    expect(checks.filter(({ outcome }) => outcome === 'problem')).toEqual([]);
    expect(checks.find(({ check }) => check === 'session')).toMatchObject({ outcome: 'unknown' });
    expect(existsSync(alice.paths.sshFolder)).toBe(false);
  });

  test('looks for exactly what its page says, in that order', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/doctor.md'), 'utf8');
    const [, table = ''] = page.split('## What it looks at');
    expect([...table.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name]) => name)).toEqual([...checkNames]);
  });

  test('for support: no token, no key, no account and no home folder', async () => {
    const alice = await world.somebody();
    const { tokens, dpop_key } = JSON.parse(readFileSync(alice.paths.session, 'utf8'));
    chmodSync(alice.paths.sshFolder, 0o755);
    world.server.faults = {
      refuse: { '/v1/session': { status: 403, code: 'forbidden', detail: `not ${account}` } },
    };
    const { text } = await alice.doctor();
    expect(text).toContain('~/.ssh has mode 755');
    expect(text).toContain('not ACCOUNT');
    for (const secret of [tokens.access_token, tokens.refresh_token, dpop_key.d, account, alice.person.home])
      expect(text).not.toContain(secret);
  });
});

describe('ssh itself', () => {
  test.each([
    ['OpenSSH_7.2p2 Ubuntu-4ubuntu2.10, OpenSSL 1.0.2g  1 Mar 2016', 'problem'],
    ['OpenSSH_6.9p1, LibreSSL 2.1.8', 'problem'],
    ['OpenSSH_7.3p1, OpenSSL 1.0.2h', 'ok'],
    ['OpenSSH_for_Windows_9.5p1, LibreSSL 3.8.2', 'ok'],
    ['OpenSSH_10.0p2, OpenSSL 3.5.0', 'ok'],
    ['Dropbear v2022.83', 'unknown'],
  ])('[seeds 59] of %s: %s', async (version, outcome) => {
    const alice = await world.somebody();
    const folder = alice.programs({
      ssh: `[ "$1" = -V ] && { echo '${version}' >&2; exit; }; exec /usr/bin/ssh "$@"`,
    });
    const { checks, code } = await alice.doctor(['--offline'], inPath(folder, '/usr/bin', '/bin'));
    const found = checks.find(({ check }) => check === 'ssh');
    expect(found?.outcome).toBe(outcome);
    expect(code).toBe(outcome === 'problem' ? 8 : 0);
    // Why 7.3, and what to do.
    if (outcome === 'problem') {
      expect(found?.says).toContain('is too old: 7.3 is the first whose config has Include');
      expect(found?.fix).toContain('apt install openssh-client');
    }
  });

  test('[seeds 66] is not there: doctor says how to install it on this system', async () => {
    const alice = await world.somebody();
    const environment = { forPrograms: { PATH: '/nonexistent' } };
    for (const [platform, hint] of [
      ['linux', 'apt install openssh-client'],
      ['darwin', 'brew install openssh'],
      ['win32', 'Add-WindowsCapability -Online -Name OpenSSH.Client'],
      ['freebsd', 'look for OpenSSH in the packages'],
    ]) {
      const { checks, code } = await alice.doctor(['--offline'], {
        environment: { ...environment, platform },
      });
      expect(code).toBe(8);
      expect(checks[0]).toMatchObject({ check: 'ssh', outcome: 'problem' });
      expect(checks[0]?.fix).toContain(hint);
    }
  });
});

describe('permissions', () => {
  const faults: [path: (alice: Patient) => string, bad: number, good: number, outcome: string][] = [
    [({ person }) => person.home, 0o775, 0o755, 'problem'],
    [({ paths }) => paths.sshFolder, 0o755, 0o700, 'warning'],
    [({ paths }) => paths.userConfig, 0o664, 0o600, 'problem'],
    [({ paths }) => join(paths.sshFolder, 'work'), 0o640, 0o600, 'problem'],
    [({ paths }) => paths.folder, 0o777, 0o700, 'problem'],
    [({ paths }) => paths.pairs, 0o710, 0o700, 'problem'],
    [({ paths }) => paths.knownHosts, 0o666, 0o600, 'problem'],
    [({ paths }) => paths.fresh, 0o777, 0o700, 'problem'],
  ];
  test('[seeds 61] [abuse 120] each that is too wide is found with its chmod, and mended, and nothing else is touched', async () => {
    const alice = await world.somebody('Host work\n  IdentityFile ~/.ssh/work\n');
    run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(alice.paths.sshFolder, 'work')]);
    const before = alice.tree();
    for (const [pathOf, bad] of faults) chmodSync(pathOf(alice), bad);
    const { checks, code } = await alice.doctor(['--offline']);
    expect(code).toBe(8);
    const found = checks.filter(({ check }) => check === 'permissions');
    expect(found.map(({ says, fix }) => [says.split(': ')[0], fix]).sort()).toEqual(
      faults
        .map(([pathOf, bad, good]) => {
          const path = pathOf(alice).replace(alice.person.home, '~');
          return [`${path} has mode ${bad.toString(8)}`, `chmod ${good.toString(8)} ${path}`];
        })
        .sort(),
    );
    await alice.mended();
    expect(alice.tree()).toEqual(before);
  });

  test('[seeds 61] [abuse 120] each fault alone is enough', async () => {
    const alice = await world.somebody();
    for (const [pathOf, bad, good, outcome] of faults.filter(([pathOf]) => existsSync(pathOf(alice)))) {
      chmodSync(pathOf(alice), bad);
      const places = judgePermissions(await gatherPlaces(alice.paths), process.getuid?.());
      expect(places).toEqual([expect.objectContaining({ check: 'permissions', outcome })]);
      chmodSync(pathOf(alice), good);
      expect(judgePermissions(await gatherPlaces(alice.paths), process.getuid?.())).toEqual([
        expect.objectContaining({ outcome: 'ok' }),
      ]);
    }
  });

  test('[abuse 120] our own key, once others could read it, is replaced by a new one', async () => {
    const alice = await world.somebody();
    const key = keyOf(alice.person.identity());
    chmodSync(key, 0o604);
    expect(await alice.troubles()).toContain('permissions problem');
    await alice.mended();
    expect(keyOf(alice.person.identity())).not.toBe(key);
  });

  test.skipIf(process.getuid?.() !== 0)(
    '[seeds 61] an owner who is somebody else is told, and left to the person',
    async () => {
      const alice = await world.somebody();
      const { chownSync } = await import('node:fs');
      chownSync(alice.paths.userConfig, 12_345, 12_345);
      const { checks, code } = await alice.doctor();
      expect(code).toBe(8);
      expect(checks.find(({ check }) => check === 'permissions')).toMatchObject({
        outcome: 'problem',
        says: expect.stringContaining('belongs to another user (uid 12345)'),
        fix: expect.stringContaining('sudo chown 0 ~/.ssh/config'),
        mendable: false,
      });
    },
  );

  test('a folder above home that others may write, and a link in the place of ~/.ssh', async () => {
    const alice = await world.somebody();
    const above = dirname(alice.person.home);
    chmodSync(above, 0o777);
    const { checks } = await alice.doctor();
    expect(checks.find(({ check }) => check === 'permissions')?.says).toContain(`${above}, above your home`);
    chmodSync(above, 0o1777);
    expect(await alice.troubles()).toEqual([]);
    chmodSync(above, 0o700);
    renameSync(alice.paths.sshFolder, join(above, 'elsewhere'));
    symlinkSync(join(above, 'elsewhere'), alice.paths.sshFolder);
    const linked = await alice.doctor(['--offline']);
    expect(linked.checks.find(({ check }) => check === 'permissions')?.says).toContain(
      '~/.ssh is a symbolic link',
    );
    expect(linked.code).toBe(8);
  });
});

describe('the ssh config', () => {
  const host = 'shop-production--web.sallyport';
  const ofIdentity = 'Host *\n  IdentityFile ~/.ssh/work\n';
  /** Puts lines in front of ours, as an editor or another program would. */
  const prepend = (alice: Patient, text: string) => {
    writeFileSync(alice.paths.userConfig, text + readFileSync(alice.paths.userConfig, 'utf8'));
  };

  test.each([
    ['UserKnownHostsFile', 'Host *\n  UserKnownHostsFile ~/.ssh/known_hosts\n'],
    ['IdentitiesOnly', 'IdentitiesOnly no\n'],
    ['IdentityFile', ofIdentity],
    ['ProxyCommand', 'Host *.sallyport\n  ProxyCommand nc -x proxy:1080 %h %p\nHost *\n'],
    ['StrictHostKeyChecking', 'Host *\n\tStrictHostKeyChecking=no\n'],
    ['User', 'user somebody\n'],
  ])(
    '%s before our line is found, and our line put first; the rest stays as it was',
    async (option, text) => {
      const alice = await world.somebody('Host work\n  Port 2200\n');
      const good = alice.person.sshOptions(host);
      prepend(alice, text);
      expect(alice.person.sshOptions(host)).not.toEqual(good);
      const { checks, code } = await alice.doctor();
      expect(code).toBe(8);
      const found = checks.find(({ check }) => check === 'config');
      expect(found).toMatchObject({ outcome: 'problem', mendable: true });
      expect(found?.says).toMatch(new RegExp(`does not take our [^(]*${option}`));
      expect(found?.says).toMatch(/line [0-9]: /);
      expect(await alice.mended()).toEqual(['.ssh/config']);
      const line = `Include "${alice.paths.config}"\n`;
      expect(alice.person.config().toString()).toBe(`${line}${text}Host work\n  Port 2200\n`);
    },
  );

  test('our line below a Host line counts for that host alone: it is put first', async () => {
    const alice = await world.somebody('# mine\n');
    prepend(alice, 'Host work\n  Port 2200\n');
    const { checks, code } = await alice.doctor();
    expect(code).toBe(8);
    expect(checks.find(({ check }) => check === 'config')?.says).toContain(
      'stands below a Host or Match line',
    );
    expect(await alice.mended()).toEqual(['.ssh/config']);
  });

  test('what is said before our line and changes nothing for us is a warning, and a missing line a problem', async () => {
    const alice = await world.somebody('# mine\n');
    prepend(alice, 'ServerAliveInterval 7\n');
    expect(await alice.troubles()).toEqual(['config warning']);
    expect(await alice.mended()).toEqual(['.ssh/config']);
    writeFileSync(alice.paths.userConfig, 'ServerAliveInterval 7\n');
    expect(await alice.troubles()).toEqual(['config problem']);
    expect(await alice.mended()).toEqual(['.ssh/config']);
  });

  test('a config that ssh does not accept is told in its own words, and not touched', async () => {
    const alice = await world.somebody();
    writeFileSync(alice.paths.userConfig, `${readFileSync(alice.paths.userConfig, 'utf8')}Nonsense yes\n`);
    const { checks, code, repaired } = await alice.doctor(['--fix']);
    expect(code).toBe(8);
    expect(checks.find(({ check }) => check === 'config')?.says).toMatch(
      /line 2: Bad configuration option: nonsense/i,
    );
    expect(repaired).toEqual([]);
  });

  test('a short name of the person’s own that our part does not know yet is made known to it', async () => {
    const alice = await world.somebody('# mine\n');
    const config = readFileSync(alice.paths.userConfig, 'utf8');
    writeFileSync(alice.paths.userConfig, `${config}Host web\n  HostName ${host}\n`);
    const { checks } = await alice.doctor();
    expect(checks.find(({ check }) => check === 'config')).toMatchObject({
      outcome: 'warning',
      fix: `sally ssh-config install; or type ssh ${host}`,
      mendable: true,
    });
    const changed = await alice.mended();
    expect(changed.every((path) => path.startsWith('.ssh/sallyport/'))).toBe(true);
    expect(alice.person.sshOptions('web').get('hostkeyalias')).toEqual([host]);
  });

  test('names made canonical do no harm', async () => {
    const alice = await world.somebody(
      'CanonicalizeHostname yes\nCanonicalDomains example.com\nCanonicalizeFallbackLocal yes\n',
    );
    expect(await alice.troubles()).toEqual([]);
  });

  test('a HOME that is not passwd’s', async () => {
    const alice = await world.somebody();
    const { checks } = await alice.doctor([], { environment: { passwdHome: '/elsewhere' } });
    expect(checks.find(({ check }) => check === 'config')).toMatchObject({
      outcome: 'warning',
      says: expect.stringContaining('plain ssh reads /elsewhere/.ssh/config'),
    });
  });

  test('our files, changed or gone, are written again', async () => {
    const alice = await world.somebody();
    const before = alice.tree();
    writeFileSync(alice.paths.config, `${readFileSync(alice.paths.config, 'utf8')}# more\n`);
    rmSync(alice.paths.hosts);
    const { checks } = await alice.doctor();
    expect(checks.filter(({ check }) => check === 'files').map(({ outcome }) => outcome)).toEqual([
      'warning',
      'problem',
    ]);
    await alice.mended();
    expect(alice.tree()).toEqual(before);
    writeFileSync(
      alice.paths.fresh,
      readFileSync(alice.paths.fresh, 'utf8').replace(/^node=.*/m, "node='/gone/node'"),
    );
    const gone = await alice.doctor();
    expect(gone.checks.find(({ says }) => says.includes('/gone/node'))).toMatchObject({ outcome: 'problem' });
    await alice.mended();
    expect(alice.tree()).toEqual(before);
  });
});

describe('the login', () => {
  test('[seeds 65] a key that is not the certificate’s is found, and made again', async () => {
    const alice = await world.somebody();
    const key = keyOf(alice.person.identity());
    const other = join(alice.person.home, '..', 'other');
    run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', other]);
    writeFileSync(key, readFileSync(other));
    expect(await alice.troubles()).toEqual(['certificate problem']);
    const { repaired, code } = await alice.doctor(['--fix']);
    expect(repaired).toEqual([{ what: 'made a new key and certificate', failure: null }]);
    expect(code).toBe(0);
    expect(keyOf(alice.person.identity())).not.toBe(key);
  });

  test('[seeds 65] reset wipes every key and certificate, and gets new ones from the login, which stays', async () => {
    const alice = await world.somebody();
    const key = keyOf(alice.person.identity());
    const old = join(alice.paths.pairs, '0190b3c4-aaaa-7bbb-8ccc-00000000000a');
    mkdirSync(old, { mode: 0o700 });
    writeFileSync(alice.paths.pending, '{"half": true', { mode: 0o600 });
    const session = readFileSync(alice.paths.session, 'utf8');
    const { code, stdout } = await alice.person.sally(['cert', 'reset']);
    expect(code).toBe(0);
    expect(stdout).toContain('A new certificate is there');
    expect([existsSync(key), existsSync(old)]).toEqual([false, false]);
    expect(existsSync(keyOf(alice.person.identity()))).toBe(true);
    expect(JSON.parse(readFileSync(alice.paths.session, 'utf8')).session_id).toBe(
      JSON.parse(session).session_id,
    );
    rmSync(alice.paths.session);
    const out = await alice.person.sally(['cert', 'reset']);
    expect(out).toMatchObject({ code: 3, stderr: '' });
    expect(alice.person.identity()).toContain('IdentityFile none');
  });

  test('[seeds 65] a certificate of another account, login or server is not used: a new one is made of this login', async () => {
    const elsewhere = await DoctorWorld.open();
    const alice = await world.somebody();
    const logins: [DoctorWorld, string, string | undefined][] = [
      [world, '0190b3c4-aaaa-7bbb-8ccc-00000000000b', undefined],
      [world, '0190b3c4-aaaa-7bbb-8ccc-00000000000c', 'mallory@demo.example'],
      [elsewhere, '0190b3c4-aaaa-7bbb-8ccc-00000000000d', undefined],
    ];
    try {
      const earlier = [alice.person.identity(), readFileSync(alice.paths.renewAfter, 'utf8')] as const;
      for (const [{ server }, session, certificateFor] of logins) {
        server.currentSession = session;
        await alice.person.login(server.url);
        const own = readFileSync(alice.paths.session, 'utf8');
        // A home folder that was mixed from two machines.
        writeFileSync(alice.paths.identity, earlier[0], { mode: 0o600 });
        writeFileSync(alice.paths.renewAfter, earlier[1], { mode: 0o600 });
        if (certificateFor) {
          const text = JSON.stringify({ ...JSON.parse(own), account: certificateFor });
          writeFileSync(alice.paths.session, text);
        }
        const { issued } = server;
        await alice.person.sally(['cert', 'ensure']);
        expect(server.issued).toBe(issued + 1);
        // One of another account is not put in the place of anything.
        expect(alice.person.identity() === earlier[0]).toBe(certificateFor !== undefined);
      }
    } finally {
      await elsewhere.close();
      world.server.currentSession = sessionId;
    }
  });

  test('a certificate of another login, and one that is over', async () => {
    const alice = await world.somebody();
    const session = JSON.parse(readFileSync(alice.paths.session, 'utf8'));
    const text = JSON.stringify({ ...session, session_id: '0190b3c4-aaaa-7bbb-8ccc-00000000ffff' });
    writeFileSync(alice.paths.session, text);
    const { checks } = await alice.doctor(['--offline']);
    expect(checks.find(({ check }) => check === 'certificate')?.says).toContain('of another login');
    writeFileSync(alice.paths.session, JSON.stringify(session));
    const old = await alice.doctor(['--offline'], later(2 * 3600));
    expect(old.checks.find(({ check }) => check === 'certificate')?.says).toContain('has expired');
  });

  test('a key in a file where the organization wants security keys', async () => {
    const alice = await world.somebody();
    world.server.answers['GET /v1/key-policy'] = { hardware_keys: 'required', attestation: false };
    try {
      const { checks, code } = await alice.doctor();
      expect(code).toBe(8);
      expect(checks.find(({ check }) => check === 'key')).toEqual({
        ...{ check: 'key', outcome: 'problem', fix: 'sally login --key sk', mendable: false },
        says: expect.stringContaining('yours is ED25519, in a file that each renewal replaces'),
      });
    } finally {
      delete world.server.answers['GET /v1/key-policy'];
    }
  });

  const sk = { place: 'security-key', type: 'sk-ssh-ed25519@openssh.com', fingerprint: 'SHA256:x' } as const;
  const touch = { ...sk, asks_verification: false };
  const inAgent = {
    place: 'agent',
    type: 'ssh-rsa',
    fingerprint: 'SHA256:x',
    asks_verification: null,
  } as const;
  test.each<[string, Partial<KeyFacts>, string, string | null]>([
    ['that asks for too little', { key: touch, asked: 'verified' }, 'problem', 'sally login --key sk --pin'],
    ['that asks for enough', { key: { ...sk, asks_verification: true }, asked: 'verified' }, 'ok', null],
    [
      'whose handle is gone',
      { key: { ...sk, asks_verification: null } },
      'problem',
      'sally login --key sk --new-key',
    ],
    ['in an agent that lacks it', { key: inAgent }, 'warning', 'Start that agent'],
    ['in an agent that holds it', { key: inAgent, isHeld: true }, 'ok', null],
    [
      'in an agent, of which nothing is known without a certificate',
      { key: { ...inAgent, type: null, fingerprint: null }, isHeld: true, asked: 'required' },
      'ok',
      null,
    ],
    ['nobody was asked about', { key: touch, asked: null }, 'unknown', null],
  ])('a key %s', (_what, facts, outcome, fix) => {
    const found = judgeKey({ key: null, isHeld: false, asked: 'off', ...facts });
    expect([found.outcome, found.fix]).toEqual([outcome, fix === null ? null : expect.stringContaining(fix)]);
  });

  test('a session that was ended is told, with where to look who did it', async () => {
    const alice = await world.somebody();
    world.server.faults = { sessionOver: true };
    const { checks, code } = await alice.doctor();
    expect(code).toBe(8);
    expect(checks.find(({ check }) => check === 'session')).toMatchObject({
      outcome: 'problem',
      fix: expect.stringContaining('sally sessions list --all'),
    });
  });

  test.each([
    [0, 'ok', ''],
    [20, 'warning', 'ahead of'],
    [120, 'problem', '2 min ahead of'],
    [-20, 'warning', 'behind'],
    [-55, 'problem', '55 s behind'],
  ])('a clock that is %s s off: %s', async (seconds, outcome, words) => {
    const alice = await world.somebody();
    const { checks } = await alice.doctor([], later(seconds));
    const found = checks.find(({ check }) => check === 'clock');
    expect(found?.outcome).toBe(outcome);
    expect(found?.says).toContain(words.replace(/[0-9]+ s /, ''));
  });

  test('a server that is not reached', async () => {
    const alice = await world.somebody();
    const session = JSON.parse(readFileSync(alice.paths.session, 'utf8'));
    writeFileSync(alice.paths.session, JSON.stringify({ ...session, server: 'http://127.0.0.1:9' }));
    const { checks, code } = await alice.doctor();
    expect(code).toBe(8);
    expect(checks.find(({ check }) => check === 'server')).toMatchObject({ outcome: 'problem' });
    expect(checks.find(({ check }) => check === 'gateways')).toMatchObject({ outcome: 'ok' });
  });
});

describe('gateways', () => {
  test('[seeds 41] a blocked port is told with the one that works, which is written into the ssh config', async () => {
    const closed = 9;
    world.gateway('127.0.0.1', [closed, world.openPort]);
    const alice = await world.somebody();
    const { checks, code } = await alice.doctor();
    expect(code).toBe(0);
    const found = checks.find(({ check }) => check === 'gateways');
    expect(found).toMatchObject({ outcome: 'warning', mendable: true });
    expect(found?.says).toContain(`gw is not reached on port ${closed}, but on ${world.openPort}`);
    await alice.doctor(['--fix']);
    expect(alice.person.sshOptions('gw.sallyport').get('port')).toEqual([String(world.openPort)]);
  });

  test('none of its ports, or no such name', async () => {
    world.gateway('127.0.0.1', [9]);
    const alice = await world.somebody();
    expect(await alice.troubles()).toEqual(['gateways problem']);
    world.gateway('no-such-host.invalid', [22]);
    const { checks } = await alice.doctor();
    expect(checks.find(({ check }) => check === 'gateways')?.fix).toContain('Look at DNS');
  });
});

describe('what is left over', () => {
  test('of a sally that was killed in its work', async () => {
    const alice = await world.somebody();
    const before = alice.tree();
    writeFileSync(join(alice.paths.folder, '.session.json.0123456789ab'), 'half', { mode: 0o600 });
    mkdirSync(join(alice.paths.pairs, '.0190b3c4-aaaa-7bbb-8ccc-000000000009'), { mode: 0o700 });
    const gone = run('sh', ['-c', 'echo $$']).stdout;
    writeFileSync(alice.paths.renewing, gone, { mode: 0o600 });
    expect(await alice.troubles()).toEqual(['leftovers warning']);
    await alice.mended();
    expect(alice.tree()).toEqual(before);
  });

  test('is not what a tunnel writes at this moment, which takes another lock', async () => {
    const alice = await world.somebody();
    const folder = join(alice.paths.folder, 'tunnels', '01234567');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, '.state.json.0123456789ab'), 'half', { mode: 0o600 });
    const before = alice.tree();
    expect(await alice.troubles()).toEqual([]);
    await alice.mended();
    expect(alice.tree()).toEqual(before);
  });

  test('in the ssh-agent: keys of ours that are over go, everything else stays', async () => {
    const alice = await world.somebody();
    const socket = join(alice.person.home, '..', 'agent.sock');
    const agent = run('ssh-agent', ['-a', socket, '-s']).stdout;
    const pid = Number(/SSH_AGENT_PID=([0-9]+)/.exec(agent)?.[1]);
    try {
      const SSH_AUTH_SOCK = socket;
      const old = keyOf(alice.person.identity());
      const own = join(alice.person.home, '..', 'own');
      run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'mine', '-f', own]);
      expect(run('ssh-add', ['-q', old, own], { SSH_AUTH_SOCK }).code).toBe(0);
      const options = { environment: { forPrograms: { ...process.env, SSH_AUTH_SOCK } } };
      expect(await alice.troubles(options)).toEqual([]);
      // The next login is another session.
      world.server.currentSession = '0190b3c4-aaaa-7bbb-8ccc-000000000002';
      await alice.person.login(world.server.url);
      expect(run('ssh-add', ['-q', old], { SSH_AUTH_SOCK }).code).toBe(0);
      expect(await alice.troubles(options)).toEqual(['agent warning']);
      const { code, repaired } = await alice.doctor(['--fix'], options);
      expect(repaired).toEqual([{ what: 'took our old keys out of the agent', failure: null }]);
      expect(code).toBe(0);
      expect(run('ssh-add', ['-L'], { SSH_AUTH_SOCK }).stdout).toMatch(/^ssh-ed25519 \S+ mine\n$/);
    } finally {
      process.kill(pid);
    }
    const dead = { environment: { forPrograms: { ...process.env, SSH_AUTH_SOCK: socket } } };
    expect(await alice.troubles(dead)).toEqual(['agent warning']);
  });

  test('in the ssh-agent: not a key of the person that a login of ours has used, however long that is over', async () => {
    const alice = await world.somebody();
    const socket = join(alice.person.home, '..', 'agent.sock');
    const agent = run('ssh-agent', ['-a', socket, '-s']).stdout;
    const pid = Number(/SSH_AGENT_PID=([0-9]+)/.exec(agent)?.[1]);
    try {
      const SSH_AUTH_SOCK = socket;
      const own = join(alice.person.home, '..', 'own');
      run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'mine', '-f', own]);
      expect(run('ssh-add', ['-q', own], { SSH_AUTH_SOCK }).code).toBe(0);
      const options = { environment: { forPrograms: { ...process.env, SSH_AUTH_SOCK } } };
      const login = ['login', '--server', world.server.url, '--key', 'agent:mine'];
      expect(await alice.person.sally(login, options)).toMatchObject({ code: 0 });
      world.server.currentSession = '0190b3c4-aaaa-7bbb-8ccc-000000000003';
      expect(await alice.person.sally([...login.slice(0, 3), '--key', 'file'], options)).toMatchObject({
        code: 0,
      });
      await alice.doctor(['--fix'], options);
      expect(run('ssh-add', ['-L'], { SSH_AUTH_SOCK }).stdout).toMatch(/^ssh-ed25519 \S+ mine\n$/);
    } finally {
      process.kill(pid);
    }
  });

  test('of shared connections: a socket that nobody listens on', async () => {
    const alice = await world.somebody();
    const socket = join(alice.person.home, '..', 'master');
    run('python3', ['-c', `import socket; socket.socket(socket.AF_UNIX).bind('${socket}')`]);
    const config = readFileSync(alice.paths.userConfig, 'utf8');
    writeFileSync(alice.paths.userConfig, `${config}Host *\n  ControlPath ${socket}\n`);
    const { checks } = await alice.doctor();
    expect(checks.find(({ check }) => check === 'sharing')).toMatchObject({
      outcome: 'warning',
      fix: `rm ${socket}`,
    });
  });
});

function keyOf(identity: string): string {
  return /^IdentityFile "(.*)"$/m.exec(identity)?.[1] ?? '';
}
