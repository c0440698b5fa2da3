import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { caKey, caStatus } from '../../src/api/ca-keys.ts';
import { registerCaCommands } from '../../src/operator/ca-commands.ts';
import { emptyPostgres, hasPostgres } from '../database/fresh-database.ts';
import { root, sallyport } from '../dev/started-program.ts';

const run = promisify(execFile);

describe.skipIf(!hasPostgres)('sallyport ca (needs Postgres)', () => {
  let folder: string;
  let database: NonNullable<Awaited<ReturnType<typeof emptyPostgres>>>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-ca-'));
    const created = await emptyPostgres();
    if (created === null) throw new Error('no Postgres');
    database = created;
  });
  afterAll(async () => {
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Status, and both streams; fingerprints and times are not the same twice. */
  async function ca(...args: string[]): Promise<{ status: number; output: string }> {
    const environment = { DATABASE_URL: database.url, SALLYPORT_KEYS: join(folder, 'keys') };
    const ran = await run(process.execPath, [sallyport, 'ca', ...args], {
      env: { ...process.env, ...environment },
    }).then(
      (streams) => ({ status: 0, ...streams }),
      (error: { code: number; stdout: string; stderr: string }) => ({ ...error, status: error.code }),
    );
    const output = `${ran.stdout}${ran.stderr}`
      .replace(/SHA256:\S{43}/g, 'SHA256:FINGERPRINT')
      .replace(/\d{4}-\d\d-\d\d \d\d:\d\d UTC/g, 'TIME');
    return { status: ran.status, output };
  }

  /** What the page shows, command after command. */
  async function examplesOfPage(): Promise<{ args: string[]; output: string }[]> {
    const page = await readFile(join(root, 'docs', 'rotating-ca-keys.md'), 'utf8');
    const consoles = [...page.matchAll(/```console\n([\s\S]*?)```/g)].map(([, text = '']) => text);
    return consoles.flatMap((text) =>
      text
        .split(/^\$ sallyport ca /m)
        .slice(1)
        .map((part) => {
          const [command = '', ...lines] = part.split('\n');
          return { args: command.split(' '), output: lines.join('\n') };
        }),
    );
  }

  test('makes the first keys, shows them, and lets each follow the other as docs/rotating-ca-keys.md shows it', async () => {
    expect(await ca('status')).toEqual({
      status: 0,
      output:
        'There are no CA keys yet. The first start of `sallyport serve` registers those\n' +
        'that `sallyport keys create` made. For keys held elsewhere: sallyport ca init\n',
    });
    expect((await ca('init')).output).toMatchInlineSnapshot(`
      "Made and registered:
        user  SHA256:FINGERPRINT
              file:user_ca.pem
        host  SHA256:FINGERPRINT
              file:host_ca.pem
        hop   SHA256:FINGERPRINT
              file:hop_ca.pem
      Back up key files where only you can read them. Next: sallyport serve
      "
    `);
    expect((await ca('init')).output).toContain('nothing was changed');
    for (const { args, output } of await examplesOfPage()) {
      expect([args, await ca(...args)]).toEqual([args, { status: 0, output }]);
    }
    expect((await ca('rotate', 'hop')).output).toContain('Generation 2 of the hop CA is made.');
    expect((await ca('rotate', 'host')).output).toContain('helpers may not know it before TIME');
    expect((await ca('status')).output).toMatchInlineSnapshot(`
      "user CA: people, at gateways and hosts
        1  retiring     SHA256:FINGERPRINT
           file:user_ca.pem
           trusted until its last certificate is over, TIME as it stands
        2  compromised  SHA256:FINGERPRINT
           file:user_ca_2.pem
           revoked as compromised TIME
        3  active       SHA256:FINGERPRINT
           file:user_ca_3.pem
           signs since TIME

      host CA: gateways and hosts, at helpers
        1  active       SHA256:FINGERPRINT
           file:host_ca.pem
           signs since TIME
        2  next         SHA256:FINGERPRINT
           file:host_ca_2.pem
           trusted since TIME, signs nothing yet
           waits for:
             helpers may not know it before TIME

      hop CA: gateways for people, at hosts
        1  active       SHA256:FINGERPRINT
           file:hop_ca.pem
           signs since TIME
        2  next         SHA256:FINGERPRINT
           file:hop_ca_2.pem
           trusted since TIME, signs nothing yet
           everybody knows it; let it sign: sallyport ca rotate hop

      The revocation list has 462 of 80000 bytes.
      "
    `);
    const { keys } = caStatus.parse(JSON.parse((await ca('status', '--json')).output));
    expect(keys.map(({ purpose, generation }) => `${purpose} ${generation}`)).toEqual([
      ...['user 1', 'user 2', 'user 3', 'host 1', 'host 2', 'hop 1', 'hop 2'],
    ]);
    expect((await readdir(join(folder, 'keys'))).sort()).toEqual([
      ...['hop_ca.pem', 'hop_ca_2.pem', 'host_ca.pem', 'host_ca_2.pem'],
      ...['user_ca.pem', 'user_ca_2.pem', 'user_ca_3.pem'],
    ]);
  });

  test.each([
    [
      ['rotate', 'host'],
      /^sallyport: Generation 2 of the host CA may not sign yet:\n {2}helpers .*\n.*--now\n$/,
    ],
    [['rotate', 'host', '--signer', 'file:x.pem'], /has a next key already, generation 2/],
    [['retire', 'user', '3'], /signs\. Let the next one sign first: sallyport ca rotate user/],
    [['retire', 'user', '1'], /may be valid until TIME; it retires by itself then/],
    [['retire', 'user', '9'], /has no generation 9/],
    [['init', '--user', 'file:x.pem'], /has a key already\. To change it: sallyport ca rotate user --signer/],
    [['rotate', 'people'], /It is user, host or hop\./],
    [['retire', 'user', 'first'], /It is a number/],
  ])('ca %j is refused, and says what to do', async (args, message) => {
    const { status, output } = await ca(...args);
    expect(status).toBe(1);
    expect(output).toMatch(message);
  });
});

describe('docs/rotating-ca-keys.md', () => {
  const page = readFile(join(root, 'docs', 'rotating-ca-keys.md'), 'utf8');

  test('lists every state there is, and every CA', async () => {
    const rows = [...(await page).matchAll(/^\| `([a-z]+)` \|/gm)].map(([, name]) => name);
    expect(rows).toEqual([...caKey.shape.purpose.options, ...caKey.shape.state.options]);
  });

  test('lists every command with every option, as --help does', async () => {
    const program = new Command('sallyport');
    registerCaCommands(program, { environment: {}, stdout: process.stdout });
    const [ca] = program.commands;
    const usages = (ca?.commands ?? []).map((command) => {
      const args = command.registeredArguments.map((argument) => argument.name().toUpperCase());
      const options = command.options.map(({ long, required }) => `[${long}${required ? ' URI' : ''}]`);
      return [`sallyport ca ${command.name()}`, ...args, ...options].join(' ');
    });
    const shown = [...(await page).matchAll(/^sallyport ca .*?(?= {2}#|$)/gm)].map(([line]) => line.trim());
    expect(shown.sort()).toEqual(usages.sort());
  });

  test('is linked from docs/running-a-server.md', async () => {
    const running = await readFile(join(root, 'docs', 'running-a-server.md'), 'utf8');
    expect(running).toContain('(rotating-ca-keys.md)');
  });
});
