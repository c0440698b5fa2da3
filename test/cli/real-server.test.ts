import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { inTransaction } from '../../src/database/transaction.ts';
import { demoTarget } from '../../src/dev/demo-inventory.ts';
import { Browser } from '../../src/dev/tour/browser.ts';
import { inventoryChanged } from '../../src/inventory/inventory-changed.ts';
import { startTestIssuer } from '../credentials/token-issuer.ts';
import { type Demo, type DemoPerson, startDemo } from './demo-person.ts';
import { runAsync } from './person.ts';

const hasSshd = existsSync('/usr/sbin/sshd');
const host = `${demoTarget}.sallyport`;
const atTerminal = { environment: { personIsThere: true } };

let demo: Demo;
let alice: DemoPerson;

beforeAll(async () => {
  if (hasSshd) demo = await startDemo();
});
afterAll(() => demo?.close());
beforeEach(() => {
  if (hasSshd) alice = demo.nextAdmin();
});

/** Changes the production environment, so that companions hear of it. */
async function production(change: { mfa_required?: boolean; people_only?: boolean }): Promise<void> {
  await inTransaction(demo.dev.database.db, async (tx) => {
    await tx.updateTable('environments').set(change).where('slug', '=', 'production').execute();
    const { id } = await tx.selectFrom('organizations').select('id').executeTakeFirstOrThrow();
    await inventoryChanged(tx, { organizationId: id, change: 'environment changed', name: 'production' });
  });
}
const organization = (change: { mfa_required?: boolean; device_login?: 'on' | 'off'; ssh_codes?: boolean }) =>
  demo.dev.database.db.updateTable('organizations').set(change).execute();
const sessionRow = (id: string) =>
  demo.dev.database.db
    .selectFrom('login_sessions')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow();

describe.skipIf(!hasSshd)('sally at the real server', () => {
  test('a second login renews the session, and what runs goes on', async () => {
    const first = await alice.login();
    expect(first.stdout).toContain(`Next: ssh ${host}`);
    const id = await alice.sessionId();
    const { key_id: keyId } = JSON.parse((await alice.sally(['status', '--json'])).stdout).certificate;
    const running = spawn('ssh', ['-T', '-F', alice.machine.paths.userConfig, host, 'echo up; cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => running.stdout.once('data', resolve));
    const again = await alice.login('--mfa', '--max-age', '0');
    expect(again.stdout).toContain('It is the session of before');
    expect(await alice.sessionId()).toBe(id);
    expect((await sessionRow(id)).ended_at).toBeNull();
    expect(JSON.parse((await alice.sally(['status', '--json'])).stdout).certificate.key_id).toBe(keyId);
    const echoed = new Promise((resolve) => running.stdout.once('data', resolve));
    running.stdin.write('still here\n');
    expect(String(await echoed)).toBe('still here\n');
    const ended = new Promise((resolve) => running.once('close', resolve));
    running.stdin.end();
    expect(await ended).toBe(0);
    expect((await alice.ssh([host, 'echo new'])).stdout).toBe('new\n');
  });

  test('a login of somebody else ends the session of before', async () => {
    await alice.login();
    const id = await alice.sessionId();
    const bob = demo.plain('admin');
    const { code, stdout } = await alice.sally(['login'], {
      openBrowser: async (url) => void bob.browse(url),
    });
    expect(code).toBe(0);
    expect(stdout).toContain(`Logged in as ${bob.account}`);
    expect((await sessionRow(id)).ended_at).not.toBeNull();
  });

  test('[seeds 9] a command whose second factor is too old logs in again in its middle', async () => {
    await alice.login();
    const id = await alice.sessionId();
    await organization({ mfa_required: true });
    try {
      const anHourAgo = new Date(Date.now() - 3600_000);
      await demo.dev.database.db
        .updateTable('login_sessions')
        .set({ mfa_time: anHourAgo, auth_time: anHourAgo })
        .where('id', '=', id)
        .execute();
      const alone = await alice.sally(['token', 'create', 'alone']);
      expect(alone.code).toBe(4);
      expect(alone.stderr).toMatch(/Run: sally login --mfa --max-age [0-9]+\n$/);
      const { code, stdout, stderr } = await alice.sally(['token', 'create', 'nightly'], atTerminal);
      expect(stderr).toContain('logging in again');
      expect(code).toBe(0);
      expect(stdout).toMatch(/^\S+\n$/);
      expect(await alice.sessionId()).toBe(id);
      expect((await sessionRow(id)).mfa_time?.getTime()).toBeGreaterThan(anHourAgo.getTime());
    } finally {
      await organization({ mfa_required: false });
    }
  });

  test('who has no second factor is told so, and no command that would be refused', async () => {
    const carol = demo.plain('contributor');
    const staging = await carol.login();
    expect(staging.stdout).toContain('without a second factor');
    expect(staging.stdout).toContain('Next: ssh shop-staging--web--mailer.sallyport');
    const wantsMfa = (mfa_required: boolean) =>
      demo.dev.database.db.updateTable('environments').set({ mfa_required }).where('slug', '=', 'staging');
    await wantsMfa(true).execute();
    const { stdout } = await carol.login();
    await wantsMfa(false).execute();
    expect(stdout).not.toContain('Next: ssh');
    expect(stdout).toContain(`${demoTarget} would not let you in: `);
    expect(stdout).toContain(`Next: sally explain ${demoTarget}`);
  });

  test('a browser on another machine ends at an address that the person pastes', async () => {
    let told = '';
    const { code, stdout } = await alice.sally(['login', '--no-browser', '--server', alice.server], {
      onStderr: (text) => {
        told += text;
      },
      ask: async () => await farBrowser(/http:\S+[/]auth\S*/.exec(told)?.[0] ?? ''),
    });
    expect(code).toBe(0);
    expect(stdout).toContain(`Logged in as ${alice.account}`);
  });

  /** Follows the login to where the far machine can't connect. */
  async function farBrowser(address: string): Promise<string> {
    const fetched = globalThis.fetch;
    let last = '';
    const spy = vi.spyOn(globalThis, 'fetch').mockImplementation(async (url, init) => {
      if (String(url).includes('/callback?') && String(url).startsWith('http://127.0.0.1:')) {
        last = String(url);
        return new Response('cannot connect');
      }
      return await fetched(url, init);
    });
    await alice.browse(address);
    spy.mockRestore();
    return last;
  }

  test('a code confirmed in a browser elsewhere logs this machine in', async () => {
    await organization({ device_login: 'on' });
    const browser = new Browser();
    const submit = async (page: Awaited<ReturnType<Browser['open']>>, fields: Record<string, string>) => {
      const csrf_token = /name="csrf_token" value="([^"]*)"/.exec(page.text)?.[1] ?? '';
      const action = new URL(/<form[^>]* action="([^"]*)"/.exec(page.text)?.[1] ?? '', page.url);
      const body = new URLSearchParams({ csrf_token, ...fields });
      return await browser.open(action, { method: 'POST', body, from: page.url });
    };
    let told = '';
    let confirmed: Promise<unknown> | undefined;
    const confirm = async () => {
      const [, address = '', code = ''] = / {2}(http\S+\/device)\n {2}(\S+)/.exec(told) ?? [];
      await submit(await browser.open(new URL(address)), { user_code: code });
      const asked = await browser.signIn(new URL('/device/login', address), alice.known);
      await submit(asked, { decision: 'approve' });
    };
    const result = await alice.sally(['login', '--device', '--server', alice.server], {
      onStderr: (text) => {
        told += text;
      },
      wait: async () => {
        confirmed ??= confirm();
        await confirmed;
      },
    });
    await organization({ device_login: 'off' });
    expect(result.stderr).toContain('Type it only there');
    expect(result).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`Logged in as ${alice.account}`),
    });
    expect((await alice.ssh([host, 'echo in'])).stdout).toBe('in\n');
  });

  test('a code is refused where the organization has them switched off', async () => {
    const { code, stderr } = await alice.sally(['login', '--device', '--server', alice.server]);
    expect(code).toBe(4);
    expect(stderr).toContain('switched off');
  });

  test('[seeds 10] SALLY_TOKEN and nothing else is enough for plain ssh, scp and git, where policy takes a machine', async () => {
    await alice.login();
    const made = await alice.sally(['token', 'create', 'backup', '--role', 'admin', '--json']);
    const { token } = JSON.parse(made.stdout);
    const job = alice.elsewhere();
    try {
      const machine = { environment: { server: job.server, machine: { apiToken: token } } };
      const installed = await job.sally(['ssh-config', 'install'], machine);
      expect(installed).toMatchObject({ code: 0, stderr: '' });
      const refused = await job.ssh([host, 'echo in'], { SALLY_TOKEN: token });
      expect(refused.code).not.toBe(0);
      await production({ mfa_required: false });
      const connected = async () => {
        const { code, stdout } = await job.ssh([host, 'echo in'], { SALLY_TOKEN: token });
        expect({ code, stdout }).toEqual({ code: 0, stdout: 'in\n' });
      };
      await vi.waitFor(connected, { timeout: 20_000 });
      const asMachine = { SALLY_TOKEN: token };
      const config = job.machine.paths.userConfig;
      const there = (await job.ssh([host, 'mktemp -d'], asMachine)).stdout.trim();
      const scp = await runAsync('scp', ['-q', '-F', config, config, `${host}:${there}/copied`], asMachine);
      expect(scp).toEqual({ code: 0, stdout: '', stderr: '' });
      const git = `cat ${there}/copied; git init -q --bare ${there}/repository`;
      expect((await job.ssh([host, git], asMachine)).stdout).toBe(readFileSync(config, 'utf8'));
      const overSsh = { ...asMachine, GIT_SSH_COMMAND: `ssh -F '${config}'` };
      const listed = await runAsync('git', ['ls-remote', `${host}:${there}/repository`], overSsh);
      expect(listed).toEqual({ code: 0, stdout: '', stderr: '' });
      await job.ssh([host, `rm -r ${there}`], asMachine);
      const shown = await job.sally(['inspect', '--json'], machine);
      expect(shown.stdout).toContain('"mode": "token"');
      expect(shown.stdout).not.toContain('mfa:');
      const without = await job.ssh([host, 'echo in']);
      expect(without.code).not.toBe(0);
      await production({ people_only: true });
      const barred = async () =>
        expect((await job.ssh([host, 'true'], { SALLY_TOKEN: token })).code).toBe(255);
      await vi.waitFor(barred, { timeout: 20_000 });
      const why = await job.sally(['explain', demoTarget], machine);
      expect(why.code).toBe(4);
    } finally {
      await production({ mfa_required: true, people_only: false });
      job.machine.remove();
    }
  });

  test('[abuse 91] [seeds 15] logout leaves no refresh token, no key in the agent and no shared connection', async () => {
    const { machine } = alice;
    const agent = await runAsync('ssh-agent', ['-s']);
    const [, SSH_AUTH_SOCK = ''] = /SSH_AUTH_SOCK=([^;]+)/.exec(agent.stdout) ?? [];
    const [, pid = ''] = /SSH_AGENT_PID=([0-9]+)/.exec(agent.stdout) ?? [];
    const inAgent = async () => (await runAsync('ssh-add', ['-L'], { SSH_AUTH_SOCK })).stdout;
    try {
      await alice.login();
      const id = await alice.sessionId();
      const stored = readFileSync(machine.paths.session, 'utf8');
      const copy = await copyOfCertificate(alice);
      const [pair = ''] = readdirSync(machine.paths.pairs);
      // A person who has put the key into the agent, and whose own config shares connections.
      await runAsync('ssh-add', ['-q', join(machine.paths.pairs, pair, 'id_ed25519')], { SSH_AUTH_SOCK });
      expect(await inAgent()).toContain('-cert-v01@');
      const sharing = `Host *\n  ControlMaster auto\n  ControlPath ${join(machine.home, 'm-%C')}\n  ControlPersist yes\n`;
      machine.writeConfig(`${machine.config()}${sharing}`);
      expect((await alice.ssh([host, 'echo up'])).stdout).toBe('up\n');
      expect((await alice.ssh(['-O', 'check', host])).code).toBe(0);

      // Even where the server can't be told, nothing is left here.
      const away = stored.replaceAll(alice.server, 'http://localhost:1');
      writeFileSync(machine.paths.session, away, { mode: 0o600 });
      const environment = { forPrograms: { ...process.env, SSH_AUTH_SOCK } };
      expect((await alice.sally(['logout'], { environment })).code).toBe(5);
      expect((await sessionRow(id)).ended_at).toBeNull();
      expect(readdirSync(machine.paths.pairs)).toEqual([]);
      expect(machine.has(machine.paths.session)).toBe(false);
      expect(await inAgent()).not.toContain('ssh-ed25519');
      expect((await alice.ssh(['-O', 'check', host])).code).not.toBe(0);
      expect((await alice.ssh([host, 'echo up'])).code).not.toBe(0);

      // And where it is told, who has copied everything before has nothing.
      expect(await copy.isAccepted()).toBe(true);
      writeFileSync(machine.paths.session, stored, { mode: 0o600 });
      expect(await alice.sally(['logout'], { environment })).toMatchObject({ code: 0, stderr: '' });
      expect((await sessionRow(id)).ended_at).not.toBeNull();
      await vi.waitFor(async () => expect(await copy.isAccepted()).toBe(false), { timeout: 20_000 });
      for (const argv of [['cert', 'ensure', '--force'], ['whoami']]) {
        writeFileSync(machine.paths.session, stored, { mode: 0o600 });
        expect((await alice.sally(argv)).code).toBe(3);
      }
    } finally {
      process.kill(Number(pid));
    }
  });

  /** Key and certificate as a thief has them: tried at the gateway with nothing else of the person. */
  async function copyOfCertificate({ machine }: DemoPerson) {
    const [pair = ''] = readdirSync(machine.paths.pairs);
    const key = join(machine.home, 'stolen');
    const from = join(machine.paths.pairs, pair, 'id_ed25519');
    for (const end of ['', '-cert.pub']) {
      writeFileSync(`${key}${end}`, readFileSync(`${from}${end}`), { mode: 0o600 });
    }
    const [jump = ''] = machine.sshOptions(host).get('proxyjump') ?? [];
    const [login = '', gateway = ''] = jump.split('@');
    const [port = ''] = machine.sshOptions(gateway).get('port') ?? [];
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes'];
    const argv = ['-F', 'none', '-v', '-p', port, '-i', key, ...options.flatMap((each) => ['-o', each])];
    const isAccepted = async () => {
      const { stderr } = await runAsync('ssh', [...argv, '-W', '127.0.0.1:9', `${login}@127.0.0.1`]);
      return stderr.includes('Authenticated to ');
    };
    return { isAccepted };
  }

  test('[seeds 15] sessions are listed and ended, the other ones with logout --other, all with --all', async () => {
    alice = demo.plain('admin');
    await alice.login();
    const laptop = alice.elsewhere();
    await laptop.login();
    const [here, there] = [await alice.sessionId(), await laptop.sessionId()];
    const { stdout } = await alice.sally(['sessions', 'list']);
    expect(stdout).toMatch(new RegExp(`^${here} +${alice.account} \\(here\\)`, 'm'));
    expect(stdout).toMatch(new RegExp(`^${there} +${alice.account}  `, 'm'));
    expect((await alice.sally(['sessions', 'end', there])).code).toBe(0);
    expect((await sessionRow(there)).ended_at).not.toBeNull();
    await laptop.login();
    expect((await alice.sally(['logout', '--other'])).stdout).toMatch(/^Your other sessions are over: [1-9]/);
    expect((await laptop.sally(['whoami'])).code).toBe(3);
    expect((await alice.sally(['whoami'])).code).toBe(0);
    await laptop.login();
    expect((await alice.sally(['logout', '--all'])).code).toBe(0);
    expect((await laptop.sally(['whoami'])).code).toBe(3);
    laptop.machine.remove();
  });

  test("a job's OpenID Connect token is enough too, for the account that a rule names", async () => {
    alice = demo.plain('admin');
    await alice.login();
    const issuer = await startTestIssuer();
    const job = alice.elsewhere();
    try {
      await alice.sally(['admin', 'accounts', 'create-machine', 'ci@acme.test']);
      const claim = 'sub=system:serviceaccount:jobs:runner';
      const rule = ['--system', 'kubernetes', '--issuer', issuer.origin, '--claim', claim];
      const more = ['--account', 'ci@acme.test', '--role', 'contributor', '--lasts', '30m'];
      const added = await alice.sally(['admin', 'ci-rules', 'add', 'jobs', ...rule, ...more]);
      expect(added).toMatchObject({ code: 0, stderr: '' });
      const claims = { sub: 'system:serviceaccount:jobs:runner' };
      const mint = () =>
        issuer.mint({ issuer: issuer.origin, audience: job.server, claims, now: new Date() });
      const file = join(job.machine.home, 'projected');
      writeFileSync(file, await mint());
      const environment = { server: job.server, machine: { idTokenFile: file, rule: 'acme/jobs' } };
      const installed = await job.sally(['ssh-config', 'install'], { environment });
      expect(installed).toMatchObject({ code: 0, stderr: '' });
      const shown = await job.sally(['inspect', '--json'], { environment });
      expect(shown.stdout).toContain('"mode": "ci"');
      const who = await job.sally(['whoami'], { environment });
      expect(who.stdout).toContain('a machine, by a token of its CI system');
      const otherRule = { ...environment, machine: { idTokenFile: file, rule: 'acme/nothing' } };
      writeFileSync(file, await mint());
      const refused = await job.sally(['whoami'], { environment: otherRule });
      expect(refused.code).toBe(3);
      expect(refused.stderr).toMatch(
        /^sally: The server does not take what SALLY_ID_TOKEN_FILE holds: .+\n$/,
      );
    } finally {
      job.machine.remove();
      await issuer.close();
    }
  });

  test('[seeds 11] [seeds 12] sally ssh-code gives a code where the organization allows them, which it does not at first', async () => {
    await alice.login();
    const refused = await alice.sally(['ssh-code', demoTarget]);
    expect(refused.code).toBe(4);
    await organization({ ssh_codes: true });
    const { code, stdout, stderr } = await alice.sally(['ssh-code', '--uses', '2', '--bind', demoTarget]);
    await organization({ ssh_codes: false });
    expect({ code, why: code === 0 ? '' : stderr }).toEqual({ code: 0, why: '' });
    expect(stdout).toMatch(/^[A-Z0-9]{4}(-[A-Z0-9]{4}){6}\n$/);
    expect(stderr).toMatch(
      new RegExp(`^For ${alice.account} at ${demoTarget}, 2 times; it is over in [45] min`),
    );
  });

  test('admins reach accounts, tokens, rules and providers', async () => {
    await alice.login();
    const ok = async (...argv: string[]) => {
      const { code, stdout, stderr } = await alice.sally(argv, atTerminal);
      expect({ argv, code, stderr: code === 0 ? '' : stderr }).toEqual({ argv, code: 0, stderr: '' });
      return stdout;
    };
    await ok('admin', 'accounts', 'create-machine', 'deploy@acme.test', '--display-name', 'Deployments');
    expect(await ok('admin', 'accounts', 'list')).toMatch(/^deploy@acme.test +machine +enabled/m);
    const rule = ['--system', 'github', '--claim', 'repository=acme/shop', '--account', 'deploy@acme.test'];
    expect(await ok('admin', 'ci-rules', 'add', 'shop-deploy', ...rule)).toContain('deploy@acme.test');
    expect(await ok('admin', 'ci-rules', 'list')).toMatch(/^shop-deploy +github +deploy@acme.test/m);
    await ok('admin', 'ci-rules', 'remove', 'shop-deploy');
    await ok(
      'token',
      'create',
      'robot',
      '--account',
      'deploy@acme.test',
      '--from',
      '127.0.0.0/8',
      '--expires',
      '2d',
    );
    expect(await ok('token', 'list')).toMatch(/robot +deploy@acme.test +contributor +in/);
    await ok('token', 'revoke', 'robot');
    expect(await ok('admin', 'providers', 'list')).toMatch(/^default /m);
    await ok('admin', 'accounts', 'disable', 'deploy@acme.test', '--yes');
    expect(await ok('admin', 'accounts', 'list')).toMatch(/^deploy@acme.test +machine +disabled/m);
    await ok('admin', 'accounts', 'enable', 'deploy@acme.test');
    const bob = demo.plain('contributor');
    await bob.login();
    await ok('admin', 'sessions', 'revoke', '--account', bob.account, '--yes');
    expect((await bob.sally(['whoami'])).code).toBe(3);
    const last = await alice.sally(['admin', 'sessions', 'revoke', '--before', 'tomorrow', '--yes']);
    expect(last.code).toBe(2);
    await ok('admin', 'sessions', 'revoke', '--before', '2020-01-01T00:00:00Z', '--yes');
  });
});
