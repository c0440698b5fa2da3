import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Person, type RunOptions } from '../person.ts';
import { ServerDouble } from '../server-double.ts';
import { type StandIns, standIns } from './stand-ins.ts';

const has = (program: string) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const hasKeyring = ['gnome-keyring-daemon', 'secret-tool', 'dbus-daemon'].every(has);

let server: ServerDouble;
let alice: Person;

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  alice = new Person();
});
afterEach(async () => {
  await server.stop();
  alice.remove();
});

const session = () => JSON.parse(readFileSync(alice.paths.session, 'utf8'));
const login = (options: RunOptions, ...more: string[]) =>
  alice.sally(['login', '--server', server.url, ...more], options);

describe.each(['linux', 'darwin', 'win32'] as const)(
  'the keychain of %s, by a stand-in for its program',
  (platform) => {
    let programs: StandIns;
    let options: RunOptions;
    beforeEach(() => {
      programs = standIns(alice.home);
      options = { environment: { platform, forPrograms: programs.environment } };
    });

    test('holds the key to a login that renews itself and ends like every other', async () => {
      expect((await login(options, '--keychain')).code).toBe(0);
      expect(session()).toMatchObject({ secrets: 'keychain', has_tokens: true });
      expect(JSON.stringify(session())).not.toMatch(/access-|refresh-|"d":/);
      expect((await alice.sally(['cert', 'ensure', '--force'], options)).stdout).toContain('renewed');
      expect((await alice.sally(['logout'], options)).code).toBe(0);
      expect(server.ended).toHaveLength(1);
      expect([programs.secret(), alice.has(alice.paths.session)]).toEqual([undefined, false]);
      expect(alice.has(join(alice.paths.personOwn, 'key.dpapi'))).toBe(false);
      // The choice stays for the next login.
      expect((await login(options)).code).toBe(0);
      expect(session().secrets).toBe('keychain');
    });

    test('is said to fail before the browser opens, and no file is written instead', async () => {
      programs.fail('the keychain is \u001b[31mlocked\n');
      const { code, stderr } = await login(options, '--keychain');
      expect(code).toBe(6);
      expect(stderr).toContain('the keychain is \\u{1b}[31mlocked');
      expect(stderr).toContain('sally login --no-keychain');
      expect([server.asked, alice.has(alice.paths.session)]).toEqual([[], false]);
    });

    test('that fails later keeps the certificate at hand and the session; status needs it not', async () => {
      await login(options, '--keychain');
      const before = [readFileSync(alice.paths.session, 'utf8'), alice.identity()];
      programs.fail('locked');
      expect(await alice.sally(['status'], options)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("sealed, with the key in the system's keychain"),
      });
      expect((await alice.sally(['cert', 'ensure', '--force'], options)).code).toBe(6);
      expect((await alice.sally(['cert', 'ensure', '--quiet'], options)).code).toBe(0);
      expect([readFileSync(alice.paths.session, 'utf8'), alice.identity()]).toEqual(before);
      // Out of here in any case; what could not be done is said.
      const out = await alice.sally(['logout'], options);
      expect([out.code, out.stderr]).toEqual([
        5,
        expect.stringContaining('could not be ended at the server'),
      ]);
      expect(alice.has(alice.paths.session)).toBe(false);
    });
  },
);

describe('secrets that move', () => {
  let programs: StandIns;
  let options: RunOptions;
  beforeEach(async () => {
    programs = standIns(alice.home);
    options = { environment: { forPrograms: programs.environment } };
    await login(options);
  });

  test('into the keychain and out of it again, without another login', async () => {
    expect(session().secrets).toBe('file');
    expect((await alice.sally(['profile', 'set', '--keychain'], options)).stdout).toContain('keychain');
    expect(session().secrets).toBe('keychain');
    expect((await alice.sally(['whoami'], options)).code).toBe(0);
    await alice.sally(['profile', 'set', '--no-keychain'], options);
    expect([session().secrets, programs.secret()]).toEqual(['file', undefined]);
    expect((await alice.sally(['whoami'], options)).code).toBe(0);
    expect(server.asked).toHaveLength(1);
  });

  test('not at all into one that fails', async () => {
    const before = readFileSync(alice.paths.session, 'utf8');
    programs.fail('locked');
    expect((await alice.sally(['profile', 'set', '--keychain'], options)).code).toBe(6);
    expect(readFileSync(alice.paths.session, 'utf8')).toBe(before);
    expect((await alice.sally(['profile', 'set', '--json'], options)).stdout).toContain('"secrets":"file"');
  });

  test('a copy of the home folder is worth nothing without the keychain, nor with that of another', async () => {
    await alice.sally(['profile', 'set', '--keychain'], options);
    const thief = new Person();
    cpSync(alice.paths.sshFolder, thief.paths.sshFolder, { recursive: true });
    const own = standIns(thief.home);
    const theirs = { environment: { forPrograms: own.environment } };
    expect((await thief.sally(['whoami'], theirs)).stderr).toContain('does not hold the key');
    spawnSync('secret-tool', ['store'], {
      env: own.environment,
      input: Buffer.alloc(32).toString('base64url'),
    });
    expect((await thief.sally(['whoami'], theirs)).stderr).toContain('is not that of');
    thief.remove();
  });

  test('a login without it works where the keychain is gone', async () => {
    await alice.sally(['profile', 'set', '--keychain'], options);
    programs.fail('locked');
    expect((await login(options)).code).toBe(6);
    expect((await login(options, '--no-keychain')).code).toBe(0);
    expect(session().secrets).toBe('file');
  });
});

test('where no such program is installed, its name and package are said', async () => {
  const empty = join(alice.home, 'empty');
  mkdirSync(empty);
  const options = { environment: { forPrograms: { PATH: empty } } };
  expect((await login(options, '--keychain')).stderr).toContain('apt install libsecret-tools');
});

describe.skipIf(!hasKeyring)('a real GNOME Keyring (needs gnome-keyring, libsecret-tools and dbus)', () => {
  const running: ChildProcess[] = [];
  afterEach(async () => {
    for (const child of running.splice(0).reverse()) {
      const closed = once(child, 'close');
      child.kill();
      await closed;
    }
  });

  test('holds the key to a login, and nothing of it after the logout', async () => {
    const folder = join(alice.home, 'run');
    mkdirSync(folder, { mode: 0o700 });
    const bus = spawn('dbus-daemon', ['--session', '--nofork', '--print-address=1'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    running.push(bus);
    const [address] = await once(createInterface(bus.stdout), 'line');
    const forPrograms = {
      ...{ ...process.env, DBUS_SESSION_BUS_ADDRESS: String(address), HOME: alice.home },
      ...{ XDG_RUNTIME_DIR: folder, XDG_DATA_HOME: join(alice.home, 'data') },
    };
    // It goes into the background when it is ready, and ends with its bus.
    spawnSync('gnome-keyring-daemon', ['--unlock', '--components=secrets'], {
      env: forPrograms,
      input: 'the password of the keyring',
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    const options = { environment: { platform: 'linux', forPrograms } };
    const lookUp = () =>
      spawnSync('secret-tool', ['lookup', 'service', 'sallyport', 'folder', alice.paths.folder], {
        env: forPrograms,
        encoding: 'utf8',
      }).stdout;

    const { code, stderr } = await login(options, '--keychain');
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expect(lookUp()).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect((await alice.sally(['cert', 'ensure', '--force'], options)).stdout).toContain('renewed');
    expect((await alice.sally(['logout'], options)).code).toBe(0);
    expect(lookUp()).toBe('');
  });
});
