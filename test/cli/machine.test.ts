import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { statePaths } from '../../src/cli/state-paths.ts';
import { Person } from './person.ts';
import { startConnectProxy } from './reach/connect-proxy.ts';
import { account, ServerDouble, sessionId } from './server-double.ts';

const token = 'sallyport_a-token-of-the-test';
const host = 'shop-production--web.sallyport';

let server: ServerDouble;
let job: Person;

beforeEach(async () => {
  server = new ServerDouble();
  await server.start();
  job = new Person();
});
afterEach(async () => {
  await server.stop();
  job.remove();
  expect(server.failures).toEqual([]);
});

const machinePaths = () => statePaths(job.home, 'machine');
const as = (machine: object) => ({ environment: { server: server.url, machine } });
const install = (machine: object = { apiToken: token }) => job.sally(['ssh-config', 'install'], as(machine));
/** A JWT as far as sally looks into it. */
const jwt = (claims: object) => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.y`;

/** Every file below the home, as one text. */
function everything(folder = job.home): string {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');
}

function identityOf(environment: Record<string, string> = {}): string | undefined {
  const { stdout } = job.ssh(['-G', host], environment);
  return /^identityfile (.*)$/m.exec(stdout)?.[1];
}

describe('SALLY_TOKEN', () => {
  test('is exchanged for tokens that are bound to a key', async () => {
    expect((await install()).code).toBe(0);
    expect(server.exchanged).toEqual([
      expect.objectContaining({
        client_id: 'sally',
        subject_token: token,
        subject_token_type: 'urn:sallyport:token-type:api-token',
        resource: `${server.url}/v1`,
      }),
    ]);
    expect(server.issued).toBe(1);
  });

  test('is written nowhere, and shown nowhere', async () => {
    const debug = { environment: { ...as({ apiToken: token }).environment, debug: true } };
    const results = [
      await job.sally(['ssh-config', 'install'], debug),
      await job.sally(['whoami'], debug),
      await job.sally(['cert', 'ensure', '--force'], debug),
    ];
    for (const { code, stdout, stderr } of results) {
      expect(code).toBe(0);
      expect(`${stdout}${stderr}`).not.toContain(token);
    }
    expect(everything()).not.toContain(token);
  });

  test('makes plain ssh a machine; without it ssh is the person again', async () => {
    await job.login(server.url);
    expect((await install()).code).toBe(0);
    const ofPerson = identityOf();
    expect(ofPerson).toMatch(/\/sallyport\/pairs\//);
    const options = { SALLY_TOKEN: token, SALLY_SERVER: server.url };
    await job.fresh(options); // notes whose certificate this is
    const { stdout } = await job.sshAsync(['-G', host], options);
    expect(stdout).toMatch(/^identityfile .*\/sallyport\/machine\/pairs\/.*$/m);
    expect(stdout).not.toContain(ofPerson);
  });

  test('never makes ssh fall back to the person: another token gets nothing of the first', async () => {
    await job.login(server.url);
    await install();
    server.faults.sessionOver = true;
    const { stdout } = await job.sshAsync(['-G', host], {
      SALLY_TOKEN: 'sallyport_another',
      SALLY_SERVER: server.url,
    });
    expect(stdout.match(/^identityfile .*$/gm)).toEqual(['identityfile none']);
    expect(stdout).not.toMatch(/^certificatefile/m);
  });

  test('gives a certificate with nothing but the variable once ssh is set up', async () => {
    await install();
    const issued = server.issued;
    writeFileSync(machinePaths().renewAfter, '0\n');
    const { stdout } = await job.sshAsync(['-G', host], { SALLY_TOKEN: token });
    expect(server.issued).toBe(issued + 1);
    expect(stdout).toMatch(/^certificatefile .*\/machine\/pairs\//m);
  });

  test('takes its own narrowed certificate to a host without a companion, by a name of the home too, and no person’s', async () => {
    const place = { address: '127.0.0.1', port: 22, login: 'app', gateway: null };
    const narrow_to = { project: 'shop', environment: 'lab' };
    server.configuration.targets.push({ name: 'shop-lab--box', ...place, narrow_to });
    await job.login(server.url);
    job.writeConfig(`${job.config()}\nHost box\n  HostName shop-lab--box.sallyport\n`);
    await job.sally(['ssh-config', 'install']);
    for (const name of ['shop-lab--box.sallyport', 'box']) {
      const { stdout } = await job.sshAsync(['-G', name], { SALLY_TOKEN: token, SALLY_SERVER: server.url });
      const certificates = stdout.match(/^certificatefile .*$/gm);
      expect(certificates).toEqual([expect.stringContaining('/machine/environments/shop/lab/pairs/')]);
    }
    const { stdout } = await job.sshAsync(['-G', 'box']);
    const certificates = stdout.match(/^certificatefile .*$/gm);
    expect(certificates).toEqual([expect.stringContaining('/sallyport/environments/shop/lab/pairs/')]);
  });

  test('starts no program while the certificate is good', async () => {
    await install();
    await job.sshAsync(['-G', host], { SALLY_TOKEN: token });
    const asked = server.seen.length;
    await job.sshAsync(['-G', host], { SALLY_TOKEN: token });
    expect(server.seen.length).toBe(asked);
  });

  test('leaves the session of a person who uses the same home alone', async () => {
    await job.login(server.url);
    const before = readFileSync(job.paths.session, 'utf8');
    await install();
    await job.sally(['logout'], as({ apiToken: token }));
    expect(readFileSync(job.paths.session, 'utf8')).toBe(before);
    expect(job.has(machinePaths().session)).toBe(false);
    expect((await job.sally(['status'])).code).toBe(0);
  });

  test('shows again, after minutes, what its tokens came from, and keeps its certificate if that fails', async () => {
    await install();
    const later = { ...as({ apiToken: token }), now: () => new Date(Date.now() + 600_000) };
    expect((await job.sally(['whoami'], later)).code).toBe(0);
    expect(server.exchanged).toHaveLength(2);
    server.faults.sessionOver = true;
    const muchLater = { ...as({ apiToken: token }), now: () => new Date(Date.now() + 3100_000) };
    const { code, stderr } = await job.sally(['cert', 'ensure'], muchLater);
    expect(code).toBe(3);
    expect(stderr).toContain('sally: The server does not take what SALLY_TOKEN holds: no.');
    expect(stderr).toContain('the certificate at hand stays');
  });

  test('asks nothing, opens nothing and never logs in', async () => {
    server.faults.refuse = {
      '/v1/certificates': {
        status: 401,
        code: 'insufficient_user_authentication',
        detail: 'This needs a second factor. Run: sally login',
        members: { acr_values: 'mfa' },
      },
    };
    const { code, stderr } = await job.sally(['cert', 'ensure'], {
      environment: { ...as({ apiToken: token }).environment, personIsThere: true },
      ask: async () => expect.unreachable('a machine was asked'),
      openBrowser: async () => expect.unreachable('a machine was shown a page'),
    });
    expect(code).toBe(4);
    expect(stderr).toBe(
      'sally: This needs a second factor. A machine has no second factor: let a person do it.\n',
    );
    const login = await job.sally(['login'], as({ apiToken: token }));
    expect(login.code).toBe(2);
    expect(login.stderr).toContain('unset SALLY_TOKEN');
  });

  test('goes nowhere by default: the server must be named once', async () => {
    const { code, stderr } = await job.sally(['ssh-config', 'install'], {
      environment: { machine: { apiToken: token } },
    });
    expect(code).toBe(2);
    expect(stderr).toContain('Set SALLY_SERVER');
    expect(
      (
        await job.sally(['ssh-config', 'install', '--server', server.url], {
          environment: { machine: { apiToken: token } },
        })
      ).code,
    ).toBe(0);
    expect((await job.sally(['whoami'], { environment: { machine: { apiToken: token } } })).code).toBe(0);
  });

  test('says one line in the log of a job when there is no certificate left', async () => {
    await install();
    server.faults.sessionOver = true;
    writeFileSync(machinePaths().renewAfter, '0\n');
    const refused = await job.fresh({ SALLY_TOKEN: 'sallyport_revoked', SALLY_SERVER: server.url });
    expect(refused).toEqual({
      code: 0,
      stdout: '',
      stderr: 'sally: no certificate; to see why, run: sally cert ensure\n',
    });
  });
});

describe('a token of a CI system', () => {
  const claims = { iss: 'https://gitlab.example', sub: 'project_path:acme/shop:ref_type:branch:ref:main' };

  test('is exchanged as a JWT, for the rule that is named', async () => {
    const machine = { idToken: jwt(claims), rule: 'acme/shop-deploy' };
    expect((await install(machine)).code).toBe(0);
    expect(server.exchanged[0]).toMatchObject({
      subject_token: machine.idToken,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      audience: 'acme/shop-deploy',
    });
    expect(everything()).not.toContain(machine.idToken);
  });

  test('of the same job is the same machine, of another job another', async () => {
    await install({ idToken: jwt({ ...claims, jti: '1', iat: 1, exp: 2 }) });
    await install({ idToken: jwt({ ...claims, jti: '2', iat: 3, exp: 4 }) });
    expect(server.exchanged).toHaveLength(1);
    await install({ idToken: jwt({ ...claims, sub: 'project_path:acme/other:ref_type:branch:ref:main' }) });
    expect(server.exchanged).toHaveLength(2);
    expect(server.issued).toBe(2);
  });

  test('is read anew from the file that Kubernetes replaces', async () => {
    const file = join(job.home, 'token');
    writeFileSync(file, `${jwt(claims)}\n`);
    const machine = { idTokenFile: file };
    expect((await install(machine)).code).toBe(0);
    writeFileSync(file, jwt({ ...claims, jti: 'next' }));
    const later = { ...as(machine), now: () => new Date(Date.now() + 600_000) };
    expect((await job.sally(['whoami'], later)).code).toBe(0);
    expect(server.exchanged.map(({ subject_token }) => subject_token)).toEqual([
      jwt(claims),
      jwt({ ...claims, jti: 'next' }),
    ]);
    const missing = await job.sally(['whoami'], as({ idTokenFile: '/nonexistent' }));
    expect(missing.code).toBe(3);
    expect(missing.stderr).toContain('/nonexistent of SALLY_ID_TOKEN_FILE cannot be read (ENOENT)');
  });

  test('of GitHub Actions is asked for with this server as its audience', async () => {
    const asked: (string | undefined)[] = [];
    const runner = createServer((request, response) => {
      asked.push(request.url, request.headers.authorization);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ count: 1, value: jwt(claims) }));
    });
    await new Promise<void>((resolve) => runner.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(runner.address() as AddressInfo).port}/token?api-version=2.0`;
      const machine = { request: { url, token: 'the-runner-token' } };
      expect((await install(machine)).code).toBe(0);
      expect(asked[0]).toBe(`/token?api-version=2.0&audience=${encodeURIComponent(server.url)}`);
      expect(asked[1]).toBe('Bearer the-runner-token');
      expect(server.exchanged[0]).toMatchObject({ subject_token: jwt(claims) });
      expect(everything()).not.toContain('the-runner-token');
    } finally {
      await new Promise((resolve) => runner.close(resolve));
    }
  });

  test('of GitHub Actions is asked for through the proxy of the environment', async () => {
    const proxy = await startConnectProxy('alice:secret');
    proxy.refuse(true);
    const https = `http://alice:secret@127.0.0.1:${proxy.port}`;
    const machine = { request: { url: 'https://runner.invalid/token', token: 'the-runner-token' } };
    const { code, stderr } = await job.sally(['ssh-config', 'install'], {
      environment: { machine, server: server.url, proxies: { https } },
    });
    expect([code, proxy.asked]).toEqual([5, ['runner.invalid:443']]);
    expect(stderr).not.toMatch(/secret|the-runner-token/);
    await proxy.close();
  });

  test.each(['http://runner.example/token', 'file:///etc/passwd', 'nonsense'])(
    'is not asked for at %s, where the request token would go in clear or nowhere',
    async (url) => {
      const { code, stderr } = await install({ request: { url, token: 'the-runner-token' } });
      expect(code).toBe(3);
      expect(stderr).toContain('is not an https address');
    },
  );

  test('says what GitHub answers where the job may not have one', async () => {
    const runner = createServer((_request, response) => response.writeHead(403).end());
    await new Promise<void>((resolve) => runner.listen(0, '127.0.0.1', resolve));
    try {
      const url = `http://127.0.0.1:${(runner.address() as AddressInfo).port}/token`;
      const { code, stderr } = await install({ request: { url, token: 'x' } });
      expect(code).toBe(5);
      expect(stderr).toContain('permissions: id-token: write');
    } finally {
      await new Promise((resolve) => runner.close(resolve));
    }
  });
});

test('status of a machine names its session and asks no server', async () => {
  await install();
  const asked = server.seen.length;
  const { stdout } = await job.sally(['status', '--json'], as({ apiToken: token }));
  expect(JSON.parse(stdout)).toMatchObject({ account, session: { id: sessionId, mode: 'machine' } });
  expect(server.seen.length).toBe(asked);
});
