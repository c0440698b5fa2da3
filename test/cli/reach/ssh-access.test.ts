/**
 * The switches and the role that SSH needs, with everything real: the server, a gateway and a host with their companions,
 * sshd and ssh. Nothing is restarted in here. [seeds 67]: the lines that the console shows work as they stand;
 * test/browser/targets.test.ts has the page.
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canGenerateNames } from '../../../src/dev/local-sshd-namespace.ts';
import { plainLines, sallyLines } from '../../../src/pages/target-lines.ts';
import type { DemoPerson } from '../demo-person.ts';
import { runAsync, type SallyResult } from '../person.ts';
import { ReachWorld } from './reach-world.ts';

const hasNames = canGenerateNames();
const target = 'shop-staging--web--one';

let world: ReachWorld;
let carol: DemoPerson;
beforeAll(async () => {
  if (!hasNames) return;
  world = await ReachWorld.open();
  carol = world.demo.plain('contributor');
  await carol.login();
});
afterAll(() => world?.close());

const access = (...args: string[]) => world.sally(['ssh-access', ...args]);
const connect = (person: DemoPerson = world.alice) => person.ssh([`${target}@gateway.sallyport`, 'id -un']);
const isIn = ({ code, stdout }: SallyResult) => code === 0 && stdout === 'staging\n';
async function heard(result: SallyResult): Promise<void> {
  expect(result).toMatchObject({ code: 0, stderr: '' });
  await world.untilHeard();
}

describe.skipIf(!hasNames)('sally ssh-access (needs root, sshd, libnss-extrausers)', () => {
  test('[seeds 17] [seeds 18] each of the four levels closes SSH at the next connection and opens it again, and says why', async () => {
    expect(isIn(await connect())).toBe(true);
    for (const [level, name, ...place] of [
      ['organization', 'acme', '--organization'],
      ['project', 'shop', 'shop'],
      ['environment', 'staging', 'shop/staging'],
      ['app', 'web', 'shop/staging/web'],
    ] as const) {
      await heard(await access('disable', ...place, '--yes'));
      const why = `SSH is switched off for the ${level} ${name}.`;
      const shown = await access('show', target);
      expect(shown.code).toBe(4);
      expect(shown.stdout).toContain(`SSH to ${target} is off: ${why}`);
      expect(shown.stdout).toMatch(new RegExp(`^ +${level} +${name}: off$`, 'm'));
      // The same at the door, for everybody.
      const refused = await connect();
      expect([level, refused.code, refused.stdout]).toEqual([level, 1, '']);
      expect(refused.stderr).toContain(why);
      expect((await carol.sally(['ssh-access', 'show', target])).stdout).toBe(
        `SSH to ${target} is off: ${why} An admin can switch it on.\n`,
      );
      await heard(await access('enable', ...place));
      expect((await access('show', target)).code).toBe(0);
      expect(isIn(await connect(carol))).toBe(true);
    }
  });

  test('[seeds 17] [seeds 18] every level must be on: the first that is off is named, and opening a lower one does not help', async () => {
    await heard(await access('disable', 'shop/staging/web', '--yes'));
    await heard(await access('disable', 'shop', '--yes'));
    const { code, stdout } = await access('show', target, '--json');
    expect(code).toBe(4);
    expect(JSON.parse(stdout)).toMatchObject({
      ssh_enabled: false,
      off: expect.stringContaining('the project shop'),
      levels: [
        { level: 'organization', ssh_enabled: true },
        { level: 'project', ssh_enabled: false },
        { level: 'environment', ssh_enabled: true },
        { level: 'app', ssh_enabled: false },
      ],
    });
    await heard(await access('enable', 'shop/staging/web'));
    expect((await connect()).stderr).toContain('SSH is switched off for the project shop');
    expect((await access('show', 'shop/staging')).stdout).toContain(
      'is off: SSH is switched off for the project shop',
    );
    await heard(await access('enable', 'shop'));
    expect(isIn(await connect())).toBe(true);
  });

  test('is for admins, and wants --yes where nobody can be asked', async () => {
    const refused = await carol.sally(['ssh-access', 'disable', 'shop', '--yes']);
    expect(refused.code).toBe(4);
    const unasked = await access('disable', 'shop');
    expect(unasked).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
    expect((await access('disable')).stderr).toContain('--organization for everything');
    expect(isIn(await connect(carol))).toBe(true);
  });

  test('[seeds 19] the role that an app asks of SSH is judged live, at the next connection', async () => {
    for (const [ssh_role, lets] of [
      ['viewer', true],
      ['admin', false],
      ['contributor', true],
    ] as const) {
      await world.change('apps', { slug: 'web' }, { ssh_role });
      const tried = await connect(carol);
      expect([ssh_role, isIn(tried)]).toEqual([ssh_role, lets]);
      const shown = await access('show', 'shop/staging/web');
      expect(shown.stdout).toMatch(new RegExp(`^ +role needed +${ssh_role}$`, 'm'));
      if (lets) continue;
      expect(isIn(await connect())).toBe(true);
      const why = 'SSH here needs the role admin; yours is contributor.';
      expect(tried.stderr).toContain(why);
      expect((await carol.sally(['ssh-access', 'show', target])).stdout).toContain(
        `Refused all the same: ${why}`,
      );
    }
  });

  test.each(['both', 'relay'] as const)(
    '[seeds 67] the lines of the console work as they stand, with sally’s config and without: access %s',
    async (access_mode) => {
      await world.change('environments', { slug: 'staging' }, { access_mode });
      await world.sally(['ssh-config', 'install']);
      const { targets, gateways } = JSON.parse((await world.sally(['ls', '--json'])).stdout);
      const seen = targets.find(({ name }: { name: string }) => name === target);
      const { paths, home } = world.alice.machine;
      const folder = join(home, `lines-${access_mode}`);
      mkdirSync(folder);
      const { certificate } = await world.alice.status();
      copyFileSync(certificate.path, join(folder, 'ID-cert.pub'));
      copyFileSync(certificate.path.replace('-cert.pub', ''), join(folder, 'ID'));
      writeFileSync(join(folder, 'FILE'), 'copied\n');
      writeFileSync(join(folder, 'batch'), 'ls FILE\n');
      const alone = `IdentitiesOnly yes\nBatchMode yes\nGlobalKnownHostsFile /dev/null\nUserKnownHostsFile ${paths.knownHosts}\n`;
      writeFileSync(join(folder, 'config'), alone);
      const lines = [
        ...sallyLines(seen).map((line) => ({ ...line, config: paths.userConfig })),
        ...plainLines(seen, gateways[0]).map((line) => ({ ...line, config: 'config' })),
      ];
      expect(lines).toHaveLength(6);
      for (const { program, text, config } of lines) {
        const more = { ssh: ' id -un', scp: '', sftp: '' }[program];
        // As they stand, but for where ssh finds its config: it looks into the home of passwd.
        const line = text.replaceAll(/\b(ssh|scp|sftp) (?=-i|FILE|shop)/g, `$1 -F ${config} `) + more;
        const run = program === 'sftp' ? line.replace('sftp ', 'sftp -b batch ') : line;
        const { code, stdout, stderr } = await runAsync('sh', ['-c', `cd ${folder} && ${run}`]);
        expect([line, code, stderr]).toEqual([line, 0, expect.not.stringMatching(/denied|fail|error/i)]);
        if (program === 'ssh') expect(stdout).toBe('staging\n');
        if (program === 'sftp') expect(stdout).toContain('FILE');
      }
    },
  );
});
