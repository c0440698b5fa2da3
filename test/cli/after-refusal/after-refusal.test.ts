/** After sshd has taken no key: the server is asked once, the gateway never again. What ssh writes is played here. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ProgramRun } from '../../../src/cli/run-program.ts';
import { Person } from '../person.ts';
import { account, ServerDouble } from '../server-double.ts';

const name = 'shop-production--web';
const keyRefused = 'app@127.0.0.1: Permission denied (publickey).\r\n';
const target = {
  name,
  alias: '100001-600001',
  number: 1,
  organization: 'demo',
  project: 'shop',
  environment: 'production',
  environment_kind: 'production',
  app: 'web',
  instance: null,
  kind: 'instance',
  role: null,
  labels: {},
  state: 'running',
  address: '127.0.0.1',
  port: 8423,
  login: 'app',
  journal_unit: null,
  gateways: [],
  access: 'jump',
  ways: ['host'],
  fingerprint: null,
  allowed: true,
  reason: null,
  command: null,
};

let server: ServerDouble;
let alice: Person;
let runs: ProgramRun[];
let said: string;
let duringRun: () => void;

beforeEach(async () => {
  [runs, said, duringRun] = [[], keyRefused, () => {}];
  server = new ServerDouble();
  server.configuration.gateways = [];
  Object.assign(server.configuration.targets[0] ?? {}, { gateway: null, access: 'jump' });
  server.answers['GET /v1/targets'] = {
    account,
    targets: [target],
    gateways: [],
    empty_apps: [],
    next: null,
  };
  await server.start();
  alice = new Person();
  await alice.login(server.url);
});
afterEach(async () => {
  await server.stop();
  alice.remove();
  expect(server.failures).toEqual([]);
});

const sally = (...argv: string[]) =>
  alice.sally(argv, {
    runProgram: async (run) => {
      runs.push(run);
      duringRun();
      run.onStderr?.(Buffer.from(said));
      return 255;
    },
  });
const lastLine = (stderr: string) => stderr.trimEnd().split('\n').at(-1);

describe('after sshd has taken no key', () => {
  test.each([
    ['ssh', [name]],
    ['scp', ['file', `${name}:`]],
    ['sftp', [name]],
    ['rsync', ['file', `${name}:`]],
  ])(
    'sally %s stops for good where the session was ended, and nothing is offered any more',
    async (program, words) => {
      duringRun = () => {
        server.faults.sessionOver = true;
      };
      const { code, stderr } = await sally(program, ...words);
      expect(code).toBe(255);
      expect(stderr).toBe('sally: session expired, run: sally login\n');
      expect(runs).toHaveLength(1);
      expect(alice.identity()).toContain('IdentityFile none\n');
      // Neither by the wrappers, which do not even start, nor by plain ssh.
      const again = await sally(program, ...words);
      expect(again).toMatchObject({ code: 3, stderr: 'sally: session expired, run: sally login\n' });
      expect(runs).toHaveLength(1);
      const plain = await alice.sshAsync(['-v', `${name}.sallyport`]);
      expect(plain.stderr).not.toMatch(/Offering public key|identity file \S*pairs/);
    },
  );

  test('says the reason that the server has', async () => {
    const explain = server.explain;
    server.explain = (about) => ({
      ...explain(about),
      allowed: false,
      reasons: [{ code: 'ssh_disabled', message: 'SSH is switched off for the app web.' }],
    });
    const { stderr } = await sally('ssh', name);
    expect(stderr).toBe(`sally: SSH is switched off for the app web. More: sally explain ${name}\n`);
    expect(alice.identity()).toContain('id_ed25519"');
  });

  test('says the same of a way that a gateway did not open', async () => {
    said = 'channel 0: open failed: administratively prohibited: open failed\r\nstdio forwarding failed\r\n';
    expect(lastLine((await sally('ssh', name)).stderr)).toBe(
      `sally: the gateway did not open the way to ${name}, run: sally explain ${name}`,
    );
  });

  test('says that the server is away where it is', async () => {
    duringRun = () => void server.stop();
    expect((await sally('ssh', name)).stderr).toBe(
      'sally: your certificate was not accepted, and the server does not answer; run: sally doctor\n',
    );
    expect(alice.identity()).toContain('id_ed25519"');
    await server.start();
  });

  test('believes no machine that says that the session is over', async () => {
    said = `Error: Access denied\nService: ${name}\nUser: ${account}\nDetail: The login session was ended.\nRun: sally login\n`;
    const { stderr } = await sally('ssh', name);
    expect(stderr).toBe(
      'sally: your certificate was not accepted although you are let in, run: sally cert ensure --force\n',
    );
    expect(alice.identity()).toContain('id_ed25519"');
    expect((await alice.sally(['status'])).code).toBe(0);
    // The same words are true where the server says so.
    duringRun = () => {
      server.faults.sessionOver = true;
    };
    expect((await sally('ssh', name)).stderr).toBe('sally: session expired, run: sally login\n');
  });

  test('has nobody log in: the command helps by itself', async () => {
    server.faults.refuse = {
      '/v1/explain': {
        status: 401,
        code: 'insufficient_user_authentication',
        detail: 'A second factor is needed.',
        members: { acr_values: 'mfa' },
      },
    };
    const before = server.asked.length;
    await sally('ssh', name);
    expect(server.asked).toHaveLength(before);
  });
});
