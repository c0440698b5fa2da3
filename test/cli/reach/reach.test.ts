/**
 * `sally` reaches targets, with everything real: the server, a gateway and a host with their companions, sshd, and ssh,
 * scp, sftp, rsync and git as they are installed.
 *
 * [seeds 30], [seeds 32]: what a gateway that sees the session makes of commands and copies is shown by test/gateway too;
 * here is what `sally` adds.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inTransaction } from '../../../src/database/transaction.ts';
import { canGenerateNames } from '../../../src/dev/local-sshd-namespace.ts';
import { createApp } from '../../../src/inventory/app.ts';
import { createInstance } from '../../../src/inventory/instance.ts';
import { run, runAsync } from '../person.ts';
import { ReachWorld } from './reach-world.ts';

const hasNames = canGenerateNames();
const production = 'shop-production--web';
const [one, old, mailer] = ['one', 'old', 'mailer'].map((name) => `shop-staging--web--${name}`) as [
  string,
  string,
  string,
];
let world: ReachWorld;
beforeAll(async () => {
  if (hasNames) world = await ReachWorld.open();
});
afterAll(() => world?.close());

const sally = (...args: Parameters<ReachWorld['sally']>) => world.sally(...args);
const folderOf = (name: string) => {
  const folder = join(world.alice.machine.home, name);
  mkdirSync(folder, { recursive: true });
  return folder;
};
const aliasOf = async (name: string) => JSON.parse((await sally(['target', name, '--json'])).stdout).alias;

describe.skipIf(!hasNames)('sally (needs root, sshd, libnss-extrausers)', () => {
  test('lists what there is, with ids, states and why not', async () => {
    const { code, stdout } = await sally(['ls']);
    expect(code).toBe(0);
    const rows = stdout.split('\n').map((line) => line.split(/ {2,}/));
    expect(rows[0]).toEqual(['TARGET', 'ID', 'STATE', 'ROLE', 'ACCESS']);
    expect(rows.find(([name]) => name === production)).toEqual([
      production,
      expect.stringMatching(/^[0-9]+-[0-9]+$/),
      'running',
      '-',
      'yes',
    ]);
    expect(rows.find(([name]) => name === old)?.slice(2)).toEqual(['stopped', 'web', 'no: instance_stopped']);
    const listed = JSON.parse((await sally(['ls', '--json', '--worker'])).stdout);
    expect(listed.targets.map(({ name }: { name: string }) => name)).toEqual([mailer]);
  });

  test('[seeds 24] shows the ids of a target, which work for it in its place, and never for another one', async () => {
    const { stdout } = await sally(['target', one]);
    const [, alias = '', number = ''] = /^Id +([0-9]+-[0-9]+), or ([0-9]+)$/m.exec(stdout) ?? [];
    expect(alias.split('-')[0]).toBe(number);
    for (const id of [alias, number]) {
      expect((await sally(['ssh', id, '--', 'id', '-un'])).stdout).toBe('staging\n');
    }
    // The menu on plain ssh has them in a column; the number of the account is what whoami says.
    const account = /^Number +([0-9]+)$/m.exec((await sally(['whoami'])).stdout)?.[1] ?? '';
    const menu = world.sshAtTerminal(`${account}@gateway.sallyport`);
    await menu.says(/staging/);
    menu.type('staging\r');
    await menu.says(new RegExp(` Id [\\s\\S]* ${alias} `));
    menu.type('\u0003');
    // Whatever changes around it: the same. Gone and made again under its name: another one.
    await world.change('instances', { target_name: one }, { role: 'other' });
    expect(await aliasOf(one)).toBe(alias);
    const row = await world.db
      .selectFrom('instances')
      .selectAll()
      .where('target_name', '=', one)
      .executeTakeFirstOrThrow();
    await inTransaction(world.db, async (tx) => {
      await tx.deleteFrom('instances').where('id', '=', row.id).execute();
      const { app_id: appId, address, port, login, host_id: hostId } = row;
      await createInstance(tx, { appId, instanceSlug: 'one', address, port, login, hostId });
    });
    await world.change('instances', { target_name: one }, { role: 'web' });
    expect(await aliasOf(one)).not.toBe(alias);
    const gone = await sally(['ssh', alias, '--', 'true']);
    expect(gone).toMatchObject({ code: 1, stdout: '' });
    expect(gone.stderr).toContain('There is no target');
    const page = readFileSync(join(import.meta.dirname, '../../../docs/reaching-targets.md'), 'utf8');
    expect(page).toContain('An id never becomes that of another instance');
  });

  test('[seeds 25] --pipe prints user@host for plain ssh, --all one a line, -o json port and fingerprint too', async () => {
    const piped = await sally(['ssh', one, '--pipe']);
    expect(piped).toEqual({ code: 0, stdout: `staging@${one}.sallyport`, stderr: '' });
    expect((await world.alice.ssh([piped.stdout, 'id -un'])).stdout).toBe('staging\n');
    const all = await sally(['ssh', '--app', 'web', '--all']);
    expect(all.stdout).toBe(
      [`web@${production}`, `staging@${old}`, `staging@${one}`].map((name) => `${name}.sallyport\n`).join(''),
    );
    const document = JSON.parse((await sally(['ssh', one, '-o', 'json'])).stdout);
    const { target, gateway } = world.machines;
    const keyOf = (path: string) => run('ssh-keygen', ['-lf', path]).stdout.split(' ')[1];
    expect(document).toMatchObject({ name: one, user: 'staging', host: `${one}.sallyport`, way: 'jump' });
    expect(document).toMatchObject({
      port: world.demo.dev.ports.target,
      fingerprint: keyOf(`${target.paths.hostKey}.pub`),
    });
    expect(JSON.parse((await sally(['ssh', '--app', 'web', '--all', '-o', 'json'])).stdout)).toHaveLength(3);
    await world.change('environments', { slug: 'staging' }, { access_mode: 'relay' });
    try {
      const relayed = JSON.parse((await sally(['ssh', one, '-o', 'json'])).stdout);
      expect(relayed).toMatchObject({
        user: one,
        host: 'gateway.sallyport',
        way: 'relay',
        port: world.demo.dev.ports.gateway,
        fingerprint: keyOf(`${gateway.paths.hostKey}.pub`),
      });
      const name = `${relayed.user}@${relayed.host}`;
      expect((await world.alice.ssh([name, 'id -un'])).stdout).toBe('staging\n');
    } finally {
      await world.change('environments', { slug: 'staging' }, { access_mode: 'both' });
    }
  });

  test('[seeds 26] picks by name, address, role or id; exact beats beginning; of several it takes none silently', async () => {
    const whoami = async (...selection: string[]) =>
      (await sally(['ssh', ...selection, '--', 'id -un'])).stdout;
    expect(await whoami(production)).toBe('web\n');
    expect(await whoami(await aliasOf(production))).toBe('web\n');
    expect(await whoami('mail')).toBe('staging\n');
    // `web` is the role of two and the app of three: exact, so what only begins with it does not count.
    const ambiguous = await sally(['ssh', 'web', '--', 'true']);
    expect(ambiguous).toMatchObject({ code: 2, stdout: '' });
    for (const name of [production, one, old]) expect(ambiguous.stderr).toContain(name);
    expect(ambiguous.stderr).toContain('--any');
    await world.change('instances', { target_name: mailer }, { role: 'web-mail' });
    const prefix = await sally(['ssh', 'web', '--all']);
    expect(prefix.stdout).not.toContain(mailer);
    expect((await sally(['ssh', 'web-', '--pipe'])).stdout).toContain(mailer);
    await world.change('instances', { target_name: mailer }, { role: 'mail' });
    const any = await sally(['ssh', 'web', '--any', '--', 'id -un']);
    expect(any).toMatchObject({ code: 0, stdout: 'web\n' });
    expect(any.stderr).toContain(`${production}, the first of 3`);
    // By address: the machine's own, which all have here; so none is guessed.
    const address = await sally(['ssh', '127.0.0.1', '--', 'true']);
    expect(address.stderr).toContain('Several targets fit');
    await world.change('instances', { target_name: production }, { address: 'localhost' });
    try {
      expect(await whoami('localhost')).toBe('web\n');
    } finally {
      await world.change('instances', { target_name: production }, { address: '127.0.0.1' });
    }
  });

  test('[seeds 27] takes the app of the folder: as linked, else by the remotes and the branch, and says which', async () => {
    const folder = folderOf('clone/below');
    const clone = join(folder, '..');
    const git = (...args: string[]) => {
      const identity = ['-c', 'user.name=x', '-c', 'user.email=x@example.com'];
      const { code, stderr } = run('git', ['-C', clone, ...identity, ...args]);
      expect([args, code, stderr.startsWith('fatal')]).toEqual([args, 0, false]);
    };
    git('init', '-q', '-b', 'main');
    const nothing = await sally(['ssh', '--', 'true'], { folder });
    expect(nothing.code).toBe(2);
    expect(nothing.stderr).not.toContain('the app is');
    git('remote', 'add', 'origin', 'git@git.example.com:acme/shop.git');
    const main = await sally(['ssh', '--', 'id -un'], { folder });
    expect(main.stdout).toBe('web\n');
    expect(main.stderr).toContain('sally: the app is shop-production--web (by the remotes');
    git('commit', '-q', '--allow-empty', '-m', 'x');
    git('checkout', '-q', '-b', 'staging');
    const staging = await sally(['ssh', '--', 'id -un'], { folder });
    expect(staging.stdout).toBe('staging\n');
    expect(staging.stderr).toContain('sally: the app is shop-staging--web (by the remotes');
    expect(staging.stderr).toContain('branch staging');
    // The link counts for more, and lies in a folder above.
    const linked = await sally(['link', production], { folder: clone });
    expect(linked.code).toBe(0);
    const after = await sally(['ssh', '--', 'id -un'], { folder });
    expect(after.stdout).toBe('web\n');
    expect(after.stderr).toContain(`linked by ${join(clone, '.sallyport', 'link.json')}`);
    // What is said counts for more still.
    const said = await sally(['ssh', '--environment', 'staging', '--', 'id -un'], { folder });
    expect(said.stdout).toBe('staging\n');
    expect((await sally(['link', '--remove'], { folder })).stdout).toContain('Unlinked');
    writeFileSync(join(folder, 'x'), '');
    mkdirSync(join(folder, '.sallyport'));
    writeFileSync(join(folder, '.sallyport', 'link.json'), '{"v":1,"project":"../x"}');
    expect(await sally(['ssh', '--', 'true'], { folder })).toMatchObject({ code: 6, stdout: '' });
  });

  test('[seeds 28] asks at a terminal which instance, and wants --instance of a script, with the list', async () => {
    await world.change('instances', { target_name: old }, { state: 'running' });
    try {
      const script = await sally(['ssh', 'shop-staging--web', '--', 'true']);
      expect(script).toMatchObject({ code: 2, stdout: '' });
      expect(script.stderr).toContain('--instance');
      expect(script.stderr).toMatch(/^1 +shop-staging--web--old +[0-9-]+ +running +web$/m);
      expect(script.stderr).toMatch(/^2 +shop-staging--web--one +[0-9-]+ +running +web$/m);
      for (const instance of ['2', 'one', await aliasOf(one)]) {
        const named = ['ssh', '--app', 'shop-staging--web', '--instance', instance, '--pipe'];
        expect((await sally(named)).stdout).toBe(`staging@${one}.sallyport`);
      }
      const wrong = await sally(['ssh', '--app', 'shop-staging--web', '--instance', '9', '--', 'true']);
      expect(wrong.stderr).toContain('There is no instance "9"');
      expect(wrong.stderr).toContain(one);

      const person = world.atTerminal(['ssh', 'shop-staging--web', '--', 'echo at $SSH_CONNECTION']);
      await person.says(/Which one\? \[1-2/);
      person.type('7\n');
      await person.says(/none of them[\s\S]*Which one/);
      person.type('2\n');
      await person.says(/at 127\.0\.0\.1 /);
      const quits = world.atTerminal(['ssh', 'shop-staging--web']);
      await quits.says(/Which one/);
      quits.type('q\n');
      await quits.says(/Nothing was chosen/);
    } finally {
      await world.change('instances', { target_name: old }, { state: 'stopped' });
    }
  });

  test('[seeds 29] finds workers, tasks and processes, also what has come since the login', async () => {
    const pipe = async (...selection: string[]) => (await sally(['ssh', ...selection, '--pipe'])).stdout;
    expect(await pipe('--worker')).toBe(`staging@${mailer}.sallyport`);
    expect(await pipe('--app', 'web', '--worker', 'mailer')).toBe(`staging@${mailer}.sallyport`);
    expect(await pipe('--process', 'mail')).toBe(`staging@${mailer}.sallyport`);
    const none = await sally(['ssh', '--task', '--', 'true']);
    expect(none).toMatchObject({ code: 1, stdout: '' });
    const {
      app_id: appId,
      host_id: hostId,
      address,
      port,
      login,
    } = await world.db
      .selectFrom('instances')
      .selectAll()
      .where('target_name', '=', one)
      .executeTakeFirstOrThrow();
    const name = 'shop-staging--web--job-1';
    await inTransaction(world.db, async (tx) => {
      await createInstance(tx, { appId, instanceSlug: 'job-1', address, port, login, hostId });
    });
    await world.change('instances', { target_name: name }, { kind: 'task' });
    const config = () => readFileSync(world.alice.machine.paths.hosts, 'utf8');
    expect(config()).not.toContain(name);
    // Its host has a certificate that does not name it yet: who it is is checked all the same, so this waits for that.
    await world.machines.target.companion.checkFiles();
    const ran = await sally(['ssh', '--task', 'job-1', '--pipe']);
    expect(ran.stdout).toBe(`staging@${name}.sallyport`);
    expect(config()).toContain(`Host ${name}.sallyport`);
    const entered = await sally(['ssh', '--task', '--', 'id -un']);
    expect(entered).toMatchObject({ code: 0, stdout: 'staging\n' });
    await world.db.deleteFrom('instances').where('target_name', '=', name).execute();
    expect((await sally(['ssh', '--task', '--', 'true'])).code).toBe(1);
  });

  test('[seeds 30] a command has its own exit code, and its outputs and input as they are', async () => {
    const ran = await world.program(['ssh', one, '--', 'echo out; echo problem >&2; exit 7']);
    expect(ran).toEqual({ code: 7, stdout: 'out\n', stderr: 'problem\n' });
    const bytes = Buffer.from(Array.from({ length: 4096 }, (_, at) => at % 256));
    const digest = createHash('sha256').update(bytes).digest('hex');
    const echoed = await world.program(['ssh', one, '--', 'sha256sum; exit 4'], { stdin: bytes });
    expect(echoed).toEqual({ code: 4, stdout: `${digest}  -\n`, stderr: '' });
    // What could be taken for a marker, or for options of ssh, is not.
    const marks = await sally(['ssh', one, '--', 'echo', '-n', '--', '-o', 'ProxyCommand=x', '; exit 9']);
    expect(marks).toMatchObject({ code: 9, stdout: '-- -o ProxyCommand=x' });
    const killed = await sally(['ssh', one, '--', 'kill -TERM $$']);
    expect(killed.code).toBe(143);
  });

  test('[seeds 31] a terminal is there as with cf ssh: by itself for a shell, with -t where there is one here, with -tt always, with -T never', async () => {
    const tell = 'if [ -t 0 ]; then echo is-one; else echo is-none; fi';
    const here = async (...flags: string[]) => {
      const person = world.atTerminal(['ssh', ...flags, one, '--', tell]);
      await person.says(/is-(one|none)/);
      return /is-one|is-none/.exec(person.stdout())?.[0];
    };
    const piped = async (...flags: string[]) =>
      (await sally(['ssh', ...flags, one, '--', tell])).stdout.trim();
    expect(await here()).toBe('is-none');
    expect(await here('-t')).toBe('is-one');
    expect(await piped()).toBe('is-none');
    expect(await piped('-t')).toBe('is-none');
    expect(await piped('-tt')).toBe('is-one');
    expect(await piped('-t', '-t', '-T')).toBe('is-none');
    // A shell: in a pipe without one, and without a warning of it; at a terminal with one, but for -T.
    const shell = await sally(['ssh', one], { stdin: `${tell}\n` });
    expect(shell).toMatchObject({ code: 0, stdout: 'is-none\n', stderr: '' });
    for (const [flags, wanted] of [
      [[], /^(\$ )?is-one\r?$/m],
      [['-T'], /^is-none\r?$/m],
    ] as const) {
      const person = world.atTerminal(['ssh', ...flags, one]);
      person.type(`${tell}\n`);
      await person.says(wanted);
      person.type('exit\n');
    }
  });
});

describe.skipIf(!hasNames)('who is refused (needs root, sshd, libnss-extrausers)', () => {
  test('is told why before ssh is run, and logs in in the middle where that helps', async () => {
    const stopped = await sally(['ssh', old, '--', 'true']);
    expect(stopped).toMatchObject({ code: 4, stdout: '' });
    expect(stopped.stderr).toMatch(/^sally: shop-staging--web--old: .*stopped/);
    const anHourAgo = new Date(Date.now() - 3600_000);
    await world.db
      .updateTable('login_sessions')
      .set({ mfa_time: anHourAgo, auth_time: anHourAgo })
      .where('id', '=', await world.alice.sessionId())
      .execute();
    await world.change('environments', { slug: 'production' }, { mfa_max_age_seconds: 900 });
    const alone = await sally(['ssh', production, '--', 'id -un']);
    expect(alone).toMatchObject({ code: 4, stdout: '' });
    expect(alone.stderr).toMatch(/Run: sally login --mfa --max-age 900\n$/);
    // A login that helped is believed by whatever asked for it: ssh, copies and logs ask in the same way.
    const copied = ['upload', '/etc/hostname', '--to', production];
    const there = await sally(copied, { sally: { personIsThere: true } });
    expect(there, there.stderr).toMatchObject({ code: 0 });
    expect(there.stderr).toContain('after that it goes on by itself');
    expect(await sally(['ssh', production, '--', 'id -un'])).toMatchObject({ code: 0, stdout: 'web\n' });
  });

  test('is told that there is no access, which is not the same as that there is no instance', async () => {
    await inTransaction(world.db, async (tx) => {
      const { id } = await tx
        .selectFrom('environments')
        .select('id')
        .where('slug', '=', 'staging')
        .executeTakeFirstOrThrow();
      await createApp(tx, { environmentId: id, slug: 'idle' });
    });
    const idle = await sally(['ssh', 'shop-staging--idle', '--', 'true']);
    expect(idle).toMatchObject({ code: 1, stdout: '' });
    expect(idle.stderr).toContain('sally: shop-staging--idle has no instances now.');
    const stranger = await sally(['ssh', 'shop-staging--other', '--', 'true']);
    expect(stranger.stderr).toContain('There is no target "shop-staging--other" that you have a role on.');
    await world.db.updateTable('access_rules').set({ group_name: 'nobody' }).execute();
    const nothing = await sally(['ssh', one, '--', 'true']);
    const listed = await sally(['ls']);
    await world.db
      .updateTable('access_rules')
      .set((update) => ({ group_name: update.val('admins') }))
      .where('role', '=', 'admin')
      .execute();
    expect(nothing).toMatchObject({ code: 4, stdout: '' });
    expect(nothing.stderr).toContain('has no access to anything');
    expect(listed.stderr).toContain('has no access to anything');
  });

  test('SALLY_DEBUG=1 shows what is run, word by word, and no secret', async () => {
    const { stderr } = await sally(['ssh', one, '--', 'echo', 'a b'], { sally: { debug: true } });
    const config = world.alice.machine.paths.userConfig;
    const line = JSON.stringify(['ssh', '-F', config, '-T', '--', `${one}.sallyport`, 'echo', 'a b']);
    expect(stderr).toContain(`sally debug: runs ${line}\n`);
    expect(stderr).toContain(`sally debug: the target is ${one}`);
    const { tokens } = JSON.parse(readFileSync(world.alice.machine.paths.session, 'utf8'));
    expect(stderr).not.toContain(tokens.access_token);
  });
});

describe.skipIf(!hasNames)('copies (needs root, sshd, libnss-extrausers)', () => {
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, at) => (at * 7) % 251));

  test.each(['both', 'relay'] as const)(
    '[seeds 32] scp in both protocols, sftp, rsync, FISH, upload and download, where access is %s',
    async (access_mode) => {
      await world.change('environments', { slug: 'staging' }, { access_mode });
      const folder = folderOf(`copies-${access_mode}`);
      const inFolder = (name: string) => join(folder, name);
      writeFileSync(inFolder('out'), bytes);
      const isBack = (name: string) => expect(readFileSync(inFolder(name)).equals(bytes)).toBe(true);
      const done = async (...args: string[]) => {
        const ended = await sally(args, { folder });
        expect([args, ended.code, ended.stderr]).toEqual([args, 0, '']);
        return ended.stdout;
      };

      for (const [protocol, name] of [
        ['-s', 'new'],
        ['-O', 'old'],
      ] as const) {
        await done('scp', '-q', protocol, 'out', `${one}:by-${name}`);
        await done('scp', '-q', protocol, `${one}:by-${name}`, `scp-${name}`);
        isBack(`scp-${name}`);
      }
      writeFileSync(inFolder('batch'), 'put out by-sftp\nget by-sftp sftp\n');
      await done('sftp', '-q', '-b', 'batch', one);
      isBack('sftp');
      await done('rsync', '--times', 'out', `${one}:by-rsync`);
      await done('rsync', `${one}:by-rsync`, 'rsync');
      isBack('rsync');
      // The shell protocol of Midnight Commander and KDE: a shell that is sent commands and files.
      const fish = await sally(['ssh', one, '--', 'echo FISH:; exec /bin/sh'], {
        stdin:
          '#FISH\necho; start_fish_server 2>/dev/null; echo "### 200"\n#LIST /\nwc -c <by-rsync\necho "### 200"\n',
      });
      expect(fish).toMatchObject({ code: 0, stdout: 'FISH:\n\n### 200\n100000\n### 200\n' });
      await done('upload', '--to', one, 'out', 'uploaded');
      await done('download', '--from', one, 'uploaded', 'downloaded');
      isBack('downloaded');
      writeFileSync(inFolder('a:b'), bytes);
      await done('upload', '--to', one, 'a:b', 'a-b');
      expect((await sally(['ssh', one, '--', 'wc -c <a-b'])).stdout).toBe('100000\n');
      // Plain programs, with the target as the user's name.
      const plain = `${one}@gateway.sallyport`;
      const config = ['-F', world.alice.machine.paths.userConfig];
      const home = { HOME: world.alice.machine.home };
      const copied = await runAsync('scp', ['-q', ...config, `${plain}:by-new`, inFolder('plain')], home);
      expect(copied.stderr).toBe('');
      isBack('plain');
      await world.change('environments', { slug: 'staging' }, { access_mode: 'both' });
    },
  );

  test('a name that is nobody’s is no host, and what is said of it stays text', async () => {
    for (const name of ['nobody', '-oProxyCommand=id', '$(id)', 'a%h']) {
      const { code, stderr } = await sally(['scp', 'x', `${name}:y`]);
      expect([name, code]).toEqual([name, name.startsWith('-') ? 2 : 1]);
      expect(stderr).not.toContain('uid=');
    }
  });
});
