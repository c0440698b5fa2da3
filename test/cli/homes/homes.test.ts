/**
 * [abuse 123] in parts: a home on NFS without locks, one that is read-only, one that is full, none at all or a hostile one,
 * and somebody else's as root; packages.test.ts has what is kept compiled of the program.
 */
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { changeProfileSettings } from '../../../src/cli/profiles/profile-settings.ts';
import { Person, runAsync, type SallyResult, sallyEntry } from '../person.ts';
import { ServerDouble } from '../server-double.ts';

const isRoot = process.getuid?.() === 0;
const ownMounts = isRoot ? ['--mount'] : ['--mount', '--map-root-user'];
const hasMounts =
  spawnSync('unshare', [...ownMounts, 'sh', '-c', 'mount -t tmpfs none /mnt'], { stdio: 'ignore' }).status ===
  0;
const hasCompiler = spawnSync('gcc', ['--version'], { stdio: 'ignore' }).status === 0;

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

const sally = `'${process.execPath}' '${sallyEntry}'`;

/** A script in mounts of its own, which end with it; `$HOME` is the person's. */
async function inOwnMounts(script: string): Promise<SallyResult> {
  return await runAsync('unshare', [...ownMounts, 'sh', '-uc', script], { HOME: alice.home });
}

describe.skipIf(!hasMounts)('a file system that takes nothing (needs mounts of its own)', () => {
  test('[abuse 123] a read-only home: one line for who asks, and plain ssh goes on with what is there', async () => {
    await alice.login(server.url);
    const before = alice.identity();
    const { stdout, stderr } = await inOwnMounts(`
      mount --bind "$HOME" "$HOME" && mount -o remount,bind,ro "$HOME" || exit 99
      ${sally} cert ensure --force; echo "ensure $?"
      ${sally} status >/dev/null; echo "status $?"
      ${sally} whoami >/dev/null; echo "whoami $?"
      ${sally} profile add work --server ${server.url}; echo "profile $?"
      ssh -T -F "$HOME/.ssh/config" -G shop-production--web.sallyport | grep '^identityfile'; echo "ssh $?"`);
    const [first = '', ...others] = stderr.trim().split('\n');
    expect(first).toMatch(
      /^sally: \S+ is on a file system that cannot be written now\. ssh goes on with the certificate that is there\.$/,
    );
    expect(others).toEqual([expect.any(String)]);
    expect(stdout).toMatch(/^ensure 6\nstatus 0\nwhoami 0\nprofile 6\nidentityfile .*pairs.*\nssh 0\n$/);
    expect(alice.identity()).toBe(before);
    expect(server.refreshes).toBe(0);
  });

  test('[abuse 123] a renewal that is due in a read-only home takes nothing from ssh, and says nothing', async () => {
    await alice.login(server.url);
    writeFileSync(alice.paths.renewAfter, '1\n', { mode: 0o600 });
    const { stdout, stderr } = await inOwnMounts(`
      mount --bind "$HOME" "$HOME" && mount -o remount,bind,ro "$HOME" || exit 99
      ssh -T -F "$HOME/.ssh/config" -G shop-production--web.sallyport | grep '^identityfile'`);
    expect([stdout, stderr]).toEqual([expect.stringMatching(/^identityfile .*pairs/), '']);
    expect(server.refreshes).toBe(0);
  });

  test('[abuse 123] a full home: said in one line, with the session, the keys and the config of before; room makes it go on', async () => {
    await alice.login(server.url);
    const { stdout, stderr } = await inOwnMounts(`
      copy=$(mktemp -d) && cp -a "$HOME/." "$copy" && mount -t tmpfs -o size=512k none "$HOME" || exit 99
      cp -a "$copy/." "$HOME"; rm -r "$copy"; chmod 700 "$HOME"
      before=$(cat "$HOME/.ssh/sallyport/session.json" "$HOME/.ssh/sallyport/identity.conf" | cksum)
      dd if=/dev/zero of="$HOME/filler" bs=1k 2>/dev/null
      ${sally} cert ensure --force; echo "ensure $?"
      [ "$before" = "$(cat "$HOME/.ssh/sallyport/session.json" "$HOME/.ssh/sallyport/identity.conf" | cksum)" ]; echo "same $?"
      ssh -T -F "$HOME/.ssh/config" -G shop-production--web.sallyport | grep -c '^identityfile.*pairs'
      rm "$HOME/filler"
      ${sally} cert ensure --force >/dev/null; echo "after $?"`);
    expect(stderr).toMatch(/^sally: \S+ does not fit: the disk is full\. Make room and try again\.\n$/);
    expect(stdout).toBe('ensure 6\nsame 0\n1\nafter 0\n');
    expect(server.refreshes).toBe(1);
  });
});

describe.skipIf(!hasCompiler)('a home on NFS without its lock service (needs gcc)', () => {
  test('[abuse 123] one renews while the others wait or go on, as with locks; a lock that was left is taken over', async () => {
    const shim = join(alice.home, 'no-locks.so');
    const built = spawnSync('gcc', [
      '-shared',
      '-fPIC',
      '-o',
      shim,
      join(import.meta.dirname, 'no-locks.c'),
      '-ldl',
    ]);
    expect(built.status).toBe(0);
    await alice.login(server.url);
    const ensure = () =>
      runAsync(process.execPath, [sallyEntry, 'cert', 'ensure'], { HOME: alice.home, LD_PRELOAD: shim });
    writeFileSync(
      `${alice.paths.lock}.held`,
      `${(await runAsync('hostname', [])).stdout.trim()} 999999999\n`,
    );
    alice.forceRenewal();
    const outcomes = await Promise.all([ensure(), ensure(), ensure()]);
    expect(outcomes.map(({ code, stderr }) => [code, stderr])).toEqual([0, 0, 0].map((code) => [code, '']));
    expect([server.issued, server.refreshes, server.failures]).toEqual([2, 1, []]);
    const left = readdirSync(alice.paths.folder).filter((name) => /held|\.lock-/.test(name));
    expect(left).toEqual([]);
  });
});

describe('a home that is none', () => {
  test.each([
    ['unset, and not in passwd either', undefined, 'HOME is not set', 2],
    ['empty', '', 'HOME is not set', 2],
    ['that is not there', '/nonexistent/home', 'does not exist', 6],
    ['that is a file', '/etc/passwd', 'does not exist', 6],
    ['that is relative', 'home', 'must be absolute', 2],
    ['that ssh would run', '/tmp/`id`', 'must be absolute and hold no quotes', 2],
    ['with a line end', '/tmp/a\nProxyCommand id', 'must be absolute and hold no quotes', 2],
  ])(
    '[abuse 123] %s is refused in one line, before anything is asked',
    async (_what, home, why, expected) => {
      const environment = { home, passwdHome: home };
      for (const argv of [
        ['login', '--server', server.url],
        ['profile', 'add', 'a', '--server', server.url],
      ]) {
        const { code, stderr } = await alice.sally(argv, { environment });
        expect([code, stderr.split('\n').length]).toEqual([expected, 2]);
        expect(stderr).toContain(why);
      }
      expect(server.seen).toEqual([]);
    },
  );

  test('[abuse 123] HOME that is unset is the one of passwd', async () => {
    const environment = { home: undefined, passwdHome: alice.home };
    expect((await alice.sally(['login', '--server', server.url], { environment })).code).toBe(0);
    expect(readFileSync(alice.paths.session, 'utf8')).toContain(server.url);
  });

  test.skipIf(!isRoot)(
    '[abuse 123] root with the home of somebody else, as after sudo, writes nothing into it',
    async () => {
      chownSync(alice.home, 12_345, 12_345);
      for (const argv of [
        ['login', '--server', server.url],
        ['profile', 'add', 'work', '--server', server.url],
        ['timer', 'install'],
        ['logout'],
      ]) {
        const { code, stderr } = await alice.sally(argv);
        expect([argv, code]).toEqual([argv, 6]);
        expect(stderr).toContain('You are root, and');
        expect(stderr).toContain('(uid 12345). Nothing was written.');
      }
      expect([readdirSync(alice.home), server.seen]).toEqual([[], []]);
    },
  );

  test.skipIf(!isRoot)('[abuse 123] nor does root remember there who has vouched for a server', async () => {
    mkdirSync(alice.paths.folder, { recursive: true });
    chownSync(alice.home, 12_345, 12_345);
    const anchor = { spki: 'x', name: 'Own authority', is_public: false };
    const remember = changeProfileSettings(alice.paths, { anchors: { 'https://ssh.example.com': anchor } });
    await expect(remember).rejects.toMatchObject({ code: 'file_refused' });
    expect(readdirSync(alice.paths.folder)).toEqual([]);
  });
});
