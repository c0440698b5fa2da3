/**
 * The program's own commands on this machine's real /etc, /var/lib and /run, as a private mount namespace shows them:
 * overlays take all changes. Whole machines with networks are in test/netns; here is what an installation leaves behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isProgram } from '../../src/gateway/programs.ts';
import { TestAuthority } from './test-authority.ts';
import { hasNames, web } from './test-world.ts';

const program = join(import.meta.dirname, '../../src/sallyport.ts');
const mayOverlay = hasNames && isProgram('/usr/bin/nsenter');

const setUp = `
mount -t tmpfs -o mode=0755 sallyport "$1"
for folder in etc var; do
  mkdir -p "$1/$folder/upper" "$1/$folder/work"
  mount -t overlay -o "lowerdir=/$folder,upperdir=$1/$folder/upper,workdir=$1/$folder/work" sallyport "/$folder"
done
mount -t tmpfs -o mode=0755,size=64m sallyport /run
mkdir -m 0755 /run/sshd
[ -e /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
echo ready
exec sleep infinity
`;

const authority = new TestAuthority();
let folder: string;
let holding: ChildProcess;

beforeAll(async () => {
  await authority.start();
  authority.targets = [web];
});
afterAll(() => authority.stop());
beforeEach(async () => {
  if (!mayOverlay) return;
  folder = await mkdtemp(join(tmpdir(), 'sallyport-'));
  holding = spawn(
    '/usr/bin/unshare',
    ['--mount', '--propagation', 'private', '/bin/sh', '-euc', setUp, 'sh', folder],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  if (holding.stdout) await once(holding.stdout, 'data');
});
afterEach(async () => {
  if (!mayOverlay) return;
  const gone = once(holding, 'exit');
  holding.kill('SIGKILL');
  await gone;
  await rm(folder, { recursive: true, force: true });
});

interface Said {
  readonly status: number | null;
  readonly text: string;
}

async function inside(command: readonly string[], input = ''): Promise<Said> {
  const child = spawn('/usr/bin/nsenter', [
    '--target',
    `${holding.pid}`,
    '--mount',
    '--wd=/',
    '--',
    ...command,
  ]);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [status] = await once(child, 'close');
  return { status, text };
}

const sh = async (script: string) => (await inside(['/bin/sh', '-euc', script])).text;
const sallyport = (args: readonly string[], input = '') =>
  inside([process.execPath, '--no-warnings', program, ...args], input);
const install = (kind: 'gateway' | 'host', more: readonly string[] = []) =>
  sallyport([kind, 'install', '--server', authority.url, ...more], `${authority.token(kind, kind)}\n`);

/** Every file of the machine that an installation could change, with mode, owner and content. */
const machine = () =>
  sh(
    'cd /; find etc var/lib ! -type d ! -path "var/lib/apt/*" ! -path "var/lib/dpkg/*" ! -path "var/lib/postgresql/*" -printf "%p %m %u\\n" | sort; find etc -type f -exec sha256sum {} + | sort',
  );

describe.skipIf(!mayOverlay)(
  'an installation on a real machine (needs root, sshd, curl, libnss-extrausers)',
  () => {
    test('of a gateway: sshd takes it, the status tells it, uninstalling leaves nothing', async () => {
      await sh('printf "" > /var/lib/extrausers/passwd');
      const before = await machine();
      const installed = await install('gateway');
      expect(installed).toMatchObject({
        status: 0,
        text: expect.stringContaining('Enrolled as gateway gateway'),
      });
      const effective = await sh('/usr/sbin/sshd -T');
      expect(effective).toContain('trustedusercakeys /var/lib/sallyport/gateway/user_ca.pub\n');
      expect(effective).toContain('passwordauthentication no\n');
      expect(effective).toContain(
        isProgram('/usr/bin/cc')
          ? 'authorizedprincipalscommand /var/lib/sallyport-programs/ask /run/sallyport/principals.sock'
          : 'authorizedprincipalscommand /bin/sh',
      );
      expect(await sh(`getent passwd ${web.targetName}`)).toContain(`:${web.gatewayUid}:`);
      const status = await sallyport(['gateway', 'status']);
      expect(status.text).toContain('Configuration: as installed\n');
      expect(status.text).toContain('KRL: in force\n');
      expect(await sallyport(['gateway', 'uninstall'])).toMatchObject({ status: 0 });
      const left = (await machine()).split('\n').filter((line) => !before.includes(line));
      // The names' folder stays, empty, for whoever installs again.
      expect(left.filter((line) => !/var\/lib\/extrausers|^$/.test(line))).toEqual([]);
    });

    test('of a host: its user is made and goes again, and installing over it keeps the enrolment', async () => {
      const before = await machine();
      expect(await install('host')).toMatchObject({ status: 0 });
      expect(await sh('getent passwd sallyport-principals')).toContain('/usr/sbin/nologin');
      const credential = await sh('sha256sum /var/lib/sallyport/host/companion.json');
      const again = await sallyport(['host', 'install', '--server', authority.url, '--keep-authorized-keys']);
      expect(again).toMatchObject({ status: 0 });
      expect(await sh('sha256sum /var/lib/sallyport/host/companion.json')).toBe(credential);
      expect(await sh('/usr/sbin/sshd -T')).toMatch(/^authorizedkeysfile \.ssh\/authorized_keys/m);
      expect(await sallyport(['host', 'uninstall'])).toMatchObject({ status: 0 });
      const left = (await machine()).split('\n').filter((line) => !before.includes(line));
      // useradd writes its files anew and keeps copies; no line of ours is in them.
      expect(
        left.filter(
          (line) => !/etc\/(passwd|shadow|group|gshadow|subuid|subgid)-?( |$)/.test(line) && line !== '',
        ),
      ).toEqual([]);
      expect(await sh('cat /etc/passwd /etc/group')).not.toContain('sallyport');
    });

    test('on a full disk: the token is not spent, and nothing is changed', async () => {
      await sh('mkdir -p /var/lib/sallyport; mount -t tmpfs -o mode=0755,size=16k none /var/lib/sallyport');
      const before = await machine();
      const token = authority.token('host', 'host');
      const args = ['host', 'install', '--server', authority.url];
      const refused = await sallyport(args, `${token}\n`);
      expect(refused).toMatchObject({ status: 1, text: expect.stringContaining('The disk is full') });
      expect(await machine()).toBe(before);
      await sh('mount -o remount,size=16m /var/lib/sallyport');
      expect(await sallyport(args, `${token}\n`)).toMatchObject({ status: 0 });
    });

    test('on a full /etc: what was written is taken back', async () => {
      await sh(
        'mount -t tmpfs -o mode=0755,size=4k,nr_inodes=3 none /etc/ssh/sshd_config.d; echo x > /etc/ssh/sshd_config.d/filled',
      );
      const before = await machine();
      const refused = await install('host');
      expect(refused).toMatchObject({
        status: 1,
        text: expect.stringContaining('is as it was: the disk is full'),
      });
      const left = (await machine()).split('\n').filter((line) => !before.includes(line));
      expect(
        left.filter(
          (line) =>
            !/etc\/(passwd|shadow|group|gshadow|subuid|subgid)-?( |$)|var\/lib\/sallyport|^$/.test(line),
        ),
      ).toEqual([]);
      expect(await sh('ls /var/lib/sallyport/host')).not.toContain('installation.json');
    });
  },
);
