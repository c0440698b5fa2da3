/**
 * Plain OpenSSH, scp, sftp, rsync and git through two gateways to three targets, each a machine of its own with a real
 * network between them: relayed, jumping, and directly.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Machine } from './machine.ts';
import type { PersonAtMachine } from './person.ts';
import { canMakeNetworks, NetworkWorld } from './world.ts';

describe.runIf(canMakeNetworks)('on a network', () => {
  let world: NetworkWorld;
  let laptop: Machine;
  let alice: PersonAtMachine;
  beforeAll(async () => {
    world = await NetworkWorld.open();
    laptop = await world.network.machine('laptop', 31);
    alice = await world.person('alicia', laptop);
  });
  afterAll(() => world?.close());

  /** Everything twice: a target by its name through one gateway, by its numeric alias through the other. */
  async function waysTo(target: string): Promise<readonly string[]> {
    const { db } = world.server.test.database;
    const { node_number, gateway_uid } = await db
      .selectFrom('instances')
      .select(['node_number', 'gateway_uid'])
      .where('target_name', '=', target)
      .executeTakeFirstOrThrow();
    return [`${target}@gate1`, `${node_number}-${gateway_uid}@gate2`];
  }

  test('a relayed connection reaches each target through each gateway', async () => {
    for (const target of world.targets) {
      for (const way of await waysTo(target)) {
        const { status, stdout, stderr } = await alice.ssh([way, 'id -un; echo oops >&2; exit 7']);
        expect({ way, status, stdout, stderr }).toEqual({
          way,
          status: 7,
          stdout: 'app\n',
          stderr: 'oops\n',
        });
      }
    }
  });

  test('a jump reaches each target through each gateway', async () => {
    for (const target of world.targets) {
      for (const way of await waysTo(target)) {
        const command = `ProxyCommand=/usr/bin/ssh ${alice.options.join(' ')} -W %h:%p ${way}`;
        const { status, stdout, stderr } = await alice.ssh([
          '-o',
          command,
          `app@${target}`,
          'id -un; exit 7',
        ]);
        expect({ way, status, stdout, stderr }).toEqual({ way, status: 7, stdout: 'app\n', stderr: '' });
      }
    }
  });

  test('a host lets people in directly, without a gateway', async () => {
    const { status, stdout } = await alice.ssh(['app@shop-staging--web', 'id -un']);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'app\n' });
  });

  test('files are copied by scp in both protocols, by sftp and by rsync, and git pushes and clones', async () => {
    await laptop.must(['/bin/sh', '-euc', 'head -c 300000 /dev/urandom > /root/big']);
    const sum = async (machine: Machine, path: string) =>
      (await machine.must(['/usr/bin/sha256sum', path])).split(' ')[0];
    const wanted = await sum(laptop, '/root/big');
    const [box] = world.hosts;
    if (box === undefined) throw new Error('no host');
    const [first = '', second = ''] = await waysTo('shop-production--api');
    for (const [index, way] of [first, second].entries()) {
      const there = (name: string) => `/home/app/${name}${index}`;
      await laptop.must(['/usr/bin/scp', ...alice.options, '/root/big', `${way}:${there('scp')}`]);
      await laptop.must(['/usr/bin/scp', '-O', ...alice.options, '/root/big', `${way}:${there('rcp')}`]);
      await laptop.must(['/usr/bin/sftp', ...alice.options, '-b', '-', way], {
        input: `put /root/big ${there('sftp')}\n`,
      });
      const remoteShell = `/usr/bin/ssh ${alice.options.join(' ')}`;
      await laptop.must(['/usr/bin/rsync', '-e', remoteShell, '/root/big', `${way}:${there('rsync')}`]);
      for (const name of ['scp', 'rcp', 'sftp', 'rsync']) {
        expect({ name, sum: await sum(box.machine, there(name)) }).toEqual({ name, sum: wanted });
      }
      await laptop.must(['/usr/bin/scp', ...alice.options, `${way}:${there('scp')}`, '/root/back']);
      expect(await sum(laptop, '/root/back')).toBe(wanted);

      await alice.ssh([way, `git init -q --bare ${there('repository')}`]);
      const env = { GIT_SSH_COMMAND: remoteShell };
      const steps = [
        'rm -rf /root/work /root/clone; git init -q -b main /root/work; cd /root/work',
        'git -c user.name=a -c user.email=a@b commit -q --allow-empty -m "a fact"',
        `git push -q ${way}:${there('repository')} main`,
        `git clone -q -b main ${way}:${there('repository')} /root/clone`,
        'git -C /root/clone log --format=%s',
      ];
      expect(await laptop.must(['/bin/sh', '-euc', steps.join('\n')], { env })).toBe('a fact\n');
    }
  });

  test('PuTTY reaches a target through a gateway', async () => {
    await laptop.must(['/bin/sh', '-euc', `cd ${alice.folder}; puttygen id -o id.ppk -O private`]);
    const certificate = ['-cert', `${alice.folder}/id-cert.pub`];
    const hostKey = await hostKeyOf('gate1');
    const { status, stdout, stderr } = await laptop.run([
      ...['/usr/bin/plink', '-batch', '-ssh', '-i', `${alice.folder}/id.ppk`, ...certificate],
      ...['-hostkey', hostKey, 'shop-staging--web@10.213.0.11', 'id -un; exit 3'],
    ]);
    expect({ status, stdout, stderr }).toEqual({ status: 3, stdout: 'app\n', stderr: '' });
  });

  /** SHA256:... of a machine's key, which PuTTY is told as it knows no @cert-authority line of ours. */
  async function hostKeyOf(name: string): Promise<string> {
    const found = world.gateways.find((gateway) => gateway.name === name);
    const text = await found?.machine.must([
      '/usr/bin/ssh-keygen',
      '-lf',
      '/var/lib/sallyport/gateway/host_key.pub',
    ]);
    return text?.split(' ')[1] ?? '';
  }
});
