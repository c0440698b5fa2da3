/** The decisions about tunnels that need nothing to run. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasSlept, pauseMilliseconds } from '../../../src/cli/tunnels/back-off.ts';
import { relationshipsOf, urlOf } from '../../../src/cli/tunnels/relationships.ts';
import { clientOf } from '../../../src/cli/tunnels/service-clients.ts';
import { type Shell, shellLines } from '../../../src/cli/tunnels/shell-lines.ts';
import { tunnelArguments } from '../../../src/cli/tunnels/tunnel-arguments.ts';
import type { Tunnel, TunnelService } from '../../../src/cli/tunnels/tunnel-state.ts';

const service: TunnelService = {
  name: 'db',
  kind: 'postgresql',
  address: '10.0.0.2',
  port: 5432,
  login: 'main',
  database: 'shop',
  local_port: 30_000,
  open: true,
};

describe('between two attempts', () => {
  test('the pause doubles from half a second to a minute, and is up to half as long by chance', () => {
    expect([1, 2, 3, 7, 8, 1000].map((failures) => pauseMilliseconds(failures, 0))).toEqual([
      500, 1000, 2000, 32_000, 60_000, 60_000,
    ]);
    expect(pauseMilliseconds(3, 1)).toBe(1000);
  });

  test('a machine that has slept is known by its clock, one that is only slow is not', () => {
    const at = (seconds: number) => new Date(seconds * 1000);
    expect(hasSlept(at(0), at(30), 5_000)).toBe(false);
    expect(hasSlept(at(0), at(36), 5_000)).toBe(true);
    // Set back: nothing is known of a sleep.
    expect(hasSlept(at(3600), at(0), 5_000)).toBe(false);
  });
});

describe('variables', () => {
  const hostile = fc.string({
    unit: fc.constantFrom(...'\'"\\$`!;|&<>(){}[]*?~# \u2018\u2019a-\r'),
    maxLength: 12,
  });
  const readers: readonly (readonly [Shell, string, (lines: string) => readonly string[]])[] = [
    ['sh', '/bin/sh', (lines) => ['-c', 'eval "$1"; printf %s "$APP_X_URL"', 'sh', lines]],
    ['fish', '/usr/bin/fish', (lines) => ['--no-config', '-c', `${lines}\nprintf %s "$APP_X_URL"`]],
    ['csh', '/usr/bin/tcsh', (lines) => ['-f', '-c', `${lines}\nprintenv APP_X_URL`]],
  ];

  test.each(readers)('for %s are words and nothing else, as %s reads them', (shell, program, wordsOf) => {
    if (!existsSync(program)) return;
    const values = ["'; touch /tmp/never; '", '$(id)`id`', 'a\\', "\\'", '!!', 'x'];
    values.push(...fc.sample(hostile, { numRuns: 12, seed: 7 }));
    for (const value of values.filter((text) => text !== '')) {
      const lines = shellLines(shell, [{ name: 'APP_X_URL', value }]).join('\n');
      const { stdout } = spawnSync(program, wordsOf(lines), { encoding: 'utf8' });
      const expected = value.replace(/\r/g, '');
      expect([value, stdout.replace(/\n$/, '')]).toEqual([value, expected]);
    }
  });

  test('for PowerShell double every kind of quote; a name that is none is refused', () => {
    expect(shellLines('powershell', [{ name: 'APP_X_URL', value: "a'b\u2019c$d`e" }])).toEqual([
      "$env:APP_X_URL = 'a''b\u2019\u2019c$d`e';",
    ]);
    expect(() => shellLines('sh', [{ name: 'A;id', value: '' }])).toThrow('no name of a variable');
  });
});

describe('services', () => {
  test('have the shape of relationships and a URL, whatever login and database are called', () => {
    const tunnel = { services: [service, { ...service, name: 'gone', open: false }] } as unknown as Tunnel;
    expect(relationshipsOf([tunnel])).toEqual({
      db: [
        expect.objectContaining({
          ...{ host: '127.0.0.1', port: 30_000, scheme: 'pgsql', username: 'main', password: null },
          ...{ path: 'shop', query: {}, rel: 'postgresql', service: 'db' },
        }),
      ],
    });
    const odd = { ...service, login: 'a@b:c/d', database: '../x?y#z' };
    expect(new URL(urlOf(odd))).toMatchObject({ hostname: '127.0.0.1', port: '30000', search: '', hash: '' });
  });

  test.each([
    ['postgresql', 'psql'],
    ['mysql', 'mysql'],
    ['mariadb', 'mariadb'],
    ['redis', 'redis-cli'],
    ['valkey', 'valkey-cli'],
    ['mongodb', 'mongosh'],
    ['clickhouse', 'clickhouse-client'],
  ])('of kind %s are spoken with by %s, and no name of theirs becomes an option', (kind, program) => {
    const hostile = { ...service, kind, login: '--help', database: 'host=evil.example' };
    const client = clientOf(hostile);
    expect(client?.program).toBe(program);
    expect(JSON.stringify(client)).toContain('30000');
    expect(JSON.stringify(client?.args)).not.toMatch(/password|"--help"(?!,"--askpass")|"host=/);
    expect(client?.from).toMatch(/./);
  });

  test('are where psql goes, whatever else the environment of the person names', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sally-psql-'));
    const serviceFile = join(folder, 'services');
    writeFileSync(serviceFile, '[other]\nhost=127.0.0.9\nport=9\nuser=other\n');
    let connections = 0;
    const listener = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as AddressInfo;
    const { program = '', args = [], environment } = clientOf({ ...service, local_port: port }) ?? {};
    const own = {
      PATH: '/usr/bin:/bin',
      PGSERVICE: 'other',
      PGSERVICEFILE: serviceFile,
      PGHOSTADDR: '127.0.0.9',
    };
    const child = spawn(program, args, { env: { ...own, ...environment }, stdio: 'ignore' });
    await once(child, 'close');
    listener.close();
    rmSync(folder, { recursive: true });
    expect(connections).toBeGreaterThan(0);
  });

  test('of another kind have no client', () => {
    expect(clientOf({ ...service, kind: 'constructor' })).toBeUndefined();
    expect(clientOf({ ...service, kind: 'kafka' })).toBeUndefined();
  });
});

test('ssh is told to take no other connection, to fail where a port does, and to listen where it was said', () => {
  const args = (gatewayPorts: boolean, address: string) =>
    tunnelArguments({
      configFile: '/home/alice/.ssh/sallyport/profile.conf',
      way: { host: 'gate.sallyport', login: 'shop-staging--web' },
      services: [{ ...service, address }],
      gatewayPorts,
      word: 'c0ffee',
    });
  expect(args(false, '10.0.0.2').join(' ')).toContain(
    '-L 127.0.0.1:30000:10.0.0.2:5432 -l shop-staging--web -- gate.sallyport',
  );
  expect(args(true, 'fd00::2')).toContain('*:30000:[fd00::2]:5432');
  for (const option of [
    'ControlMaster=no',
    'ControlPath=none',
    'ExitOnForwardFailure=yes',
    'BatchMode=yes',
    'LocalCommand=echo c0ffee',
  ])
    expect(args(false, '10.0.0.2')).toContain(option);
  expect(() => args(false, '-oProxyCommand=id')).toThrow('cannot stand in an ssh config');
});
