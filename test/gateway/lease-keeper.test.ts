/** Which calls of the hook a companion makes of the leases of its states. With a real firewall: test/netns. */
import { chmod, chown, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLeaseHook, type LeaseHook } from '../../src/gateway/lease-hook.ts';
import { LeaseKeeper } from '../../src/gateway/lease-keeper.ts';
import { Problems } from '../../src/gateway/problems.ts';

const start = 1_800_000_000;
let now: number;
let calls: string[];
let fails: boolean;
/** What the firewall does not take. */
let refused: string | undefined;
/** Seconds that one call takes. */
let takes: number;
let found: { network: string; port: number }[];
let problems: Problems;
let told: number;
let keeper: LeaseKeeper;

const hook: LeaseHook = {
  add: async ({ network, port }, seconds) => call(`add ${network} ${port} ${seconds}`),
  remove: async ({ network, port }) => call(`remove ${network} ${port}`),
  list: async () => {
    if (fails) throw new Error('no firewall');
    return found;
  },
};
async function call(words: string): Promise<void> {
  if (fails) throw new Error('no firewall');
  if (refused !== undefined && words.includes(refused)) throw new Error(`not ${refused}`);
  calls.push(words);
  now += takes;
}
const lease = (network: string, seconds: number, port = 22) => ({
  id: crypto.randomUUID(),
  network,
  port,
  expires_at: start + seconds,
});

beforeEach(() => {
  now = start;
  calls = [];
  fails = false;
  refused = undefined;
  takes = 0;
  found = [];
  told = 0;
  problems = new Problems();
  keeper = new LeaseKeeper({
    hook,
    problems,
    log: () => {},
    nowSeconds: () => now,
    onProblem: () => {
      told += 1;
    },
  });
});

describe('the companion', () => {
  test('opens what is new, extends what lasts longer, and closes what is no more', async () => {
    await keeper.follow([lease('192.0.2.7', 60), lease('2001:db8::/56', 90, 443)]);
    await keeper.follow([lease('192.0.2.7', 120), lease('2001:db8::/56', 90, 443)]);
    await keeper.follow([lease('192.0.2.7', 120)]);
    expect(calls.splice(0)).toEqual([
      'add 192.0.2.7 22 60',
      'add 2001:db8::/56 443 90',
      'add 192.0.2.7 22 120',
      'remove 2001:db8::/56 443',
    ]);
    await keeper.look();
    expect(calls).toEqual([]);
  });

  test('opens for others what it can where the firewall does not take one', async () => {
    refused = '192.0.2.7';
    await keeper.follow([lease('192.0.2.7', 60), lease('192.0.2.8', 60)]);
    expect(calls).toEqual(['add 192.0.2.8 22 60']);
    expect(problems.has('lease')).toBe(true);
    refused = undefined;
    await keeper.look();
    expect(calls).toEqual(['add 192.0.2.8 22 60', 'add 192.0.2.7 22 60']);
    expect(problems.has('lease')).toBe(false);
  });

  test('opens for no time at all what is over while the firewall takes its time', async () => {
    takes = 10;
    await keeper.follow([lease('192.0.2.7', 60), lease('192.0.2.8', 10)]);
    expect(calls).toEqual(['add 192.0.2.7 22 60']);
  });

  test('closes what is over, without a word from the CA', async () => {
    await keeper.follow([lease('192.0.2.7', 60)]);
    now += 60;
    await keeper.look();
    expect(calls).toEqual(['add 192.0.2.7 22 60', 'remove 192.0.2.7 22']);
  });

  test('keeps an address open for as long as one of those behind it may stay', async () => {
    await keeper.follow([lease('192.0.2.7', 60), lease('192.0.2.7', 90), lease('192.0.2.7', 30)]);
    await keeper.follow([lease('192.0.2.7', 60)]);
    expect(calls).toEqual(['add 192.0.2.7 22 90', 'add 192.0.2.7 22 60']);
  });

  test('finds out at its start what is open, and closes what should not be', async () => {
    found = [
      { network: '192.0.2.7', port: 22 },
      { network: '192.0.2.8', port: 22 },
    ];
    await keeper.follow([lease('192.0.2.8', 60)]);
    expect(calls).toEqual(['remove 192.0.2.7 22', 'add 192.0.2.8 22 60']);
  });

  test('tries again what failed, and tells it once', async () => {
    fails = true;
    await keeper.follow([lease('192.0.2.7', 60)]);
    await keeper.look();
    expect([problems.text(), told]).toEqual(['no firewall', 1]);
    fails = false;
    now += 10;
    await keeper.look();
    expect([calls, problems.text(), told]).toEqual([['add 192.0.2.7 22 50'], null, 2]);
  });

  test('believes no address that a program could take for more', async () => {
    for (const network of ['-f', '192.0.2.7; reboot', '$(id)', '192.0.2.7/24 22', '', '::1\n'])
      await keeper.follow([lease(network, 60)]);
    expect(calls).toEqual([]);
    await keeper.follow([lease('::1', 60), lease('::', 60), lease('fe80::1/64', 60)]);
    expect(calls).toHaveLength(3);
  });
});

describe('a hook', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-hook-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function program(text: string): Promise<string> {
    const path = join(folder, 'hook');
    await writeFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return path;
  }

  test('gets its words as arguments, with no shell between', async () => {
    const hooked = await createLeaseHook(await program(`printf '%s|' "$@" >> ${folder}/said`));
    await hooked.add({ network: '192.0.2.7', port: 22 }, 60);
    await hooked.remove({ network: '$(id) x', port: 22 });

    expect(await readFile(join(folder, 'said'), 'utf8')).toBe('add|192.0.2.7|22|60|remove|$(id) x|22|0|');
  });

  test('lists what is open; other lines are for people', async () => {
    const lines = '192.0.2.7 22\\n# words\\n2001:db8::/56 443\\n192.0.2.7 0\\n';
    const hooked = await createLeaseHook(await program(`printf '${lines}'`));
    expect(await hooked.list()).toEqual([
      { network: '192.0.2.7', port: 22 },
      { network: '2001:db8::/56', port: 443 },
    ]);
  });

  test('that fails is told with its own words', async () => {
    const hooked = await createLeaseHook(await program('echo "table is missing" >&2; exit 3'));
    await expect(hooked.add({ network: '192.0.2.7', port: 22 }, 60)).rejects.toThrow(
      /ended with 3. table is missing/,
    );
  });

  test('is an absolute path to a program that nobody else can change, by whatever name', async () => {
    const path = await program('exit 0');
    await expect(createLeaseHook('hook')).rejects.toMatchObject({ code: 'settings_invalid' });
    await expect(createLeaseHook(join(folder, 'none'))).rejects.toMatchObject({ code: 'file_refused' });
    const link = join(folder, 'link');
    await symlink(path, link);
    await createLeaseHook(link);
    await chmod(path, 0o775);
    await expect(createLeaseHook(link)).rejects.toMatchObject({ code: 'file_refused' });
    await chmod(path, 0o755);
    const open = join(folder, 'open');
    await mkdir(open);
    await chmod(open, 0o777);
    const inside = join(open, 'hook');
    await writeFile(inside, '#!/bin/sh\n', { mode: 0o755 });
    await expect(createLeaseHook(inside)).rejects.toThrow(/can be changed by others/);
  });

  test.runIf(process.getuid?.() === 0)('is root’s where root runs it', async () => {
    const path = await program('exit 0');
    await chown(path, 65_534, 65_534);
    await expect(createLeaseHook(path)).rejects.toMatchObject({ code: 'file_refused' });
  });
});
