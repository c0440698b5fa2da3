import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { realMachine } from '../../src/gateway/machine.ts';
import { ownProgramName } from '../../src/gateway/own-program.ts';
import { root } from '../dev/started-program.ts';
import { readYaml } from './read-yaml.ts';

const run = promisify(execFile);
const deploy = join(root, 'deploy');
const dockerfile = await readFile(join(deploy, 'Dockerfile'), 'utf8');
const compose = readYaml(await readFile(join(root, 'docker-compose.yml'), 'utf8')) as unknown as Compose;
const https = readYaml(await readFile(join(deploy, 'compose.https.yml'), 'utf8')) as unknown as Compose;

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

interface Service {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string; readonly target: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly env_file?: readonly string[];
  readonly secrets?: readonly string[];
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly network_mode?: string;
  readonly depends_on?: Readonly<Record<string, unknown>>;
}

const services = Object.entries(compose.services);

test('the services are Postgres, a server and a gateway', () => {
  expect(Object.keys(compose.services)).toEqual(['postgres', 'server', 'gateway']);
});

test('what the compose file builds, the Dockerfile has', () => {
  const targets = [...dockerfile.matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, name]) => name);
  const built = services.flatMap(([, { build }]) => build ?? []);
  expect(built).toHaveLength(2);
  for (const { context, dockerfile: file, target } of built) {
    expect(existsSync(join(root, context, file))).toBe(true);
    expect(targets).toContain(target);
  }
});

test('every secret, volume and service that is named is there, and every secret there is in use', () => {
  const used = new Set(services.flatMap(([, { secrets = [] }]) => secrets));
  expect([...used].sort()).toEqual(Object.keys(compose.secrets).sort());
  for (const { file } of Object.values(compose.secrets)) expect(file).toMatch(/^deploy\/secrets\/[a-z_]+$/);
  for (const [, { volumes = [], depends_on = {} }] of services) {
    for (const volume of volumes) expect(Object.keys(compose.volumes)).toContain(volume.split(':')[0]);
    for (const service of Object.keys(depends_on)) expect(Object.keys(compose.services)).toContain(service);
  }
});

test('every secret file that a service is told of is one that it is given', () => {
  for (const [, { environment = {}, secrets = [] }] of services) {
    for (const value of Object.values(environment)) {
      const name = /^\/run\/secrets\/(.+)$/.exec(value)?.[1];
      if (name) expect(secrets).toContain(name);
    }
  }
});

test('the server is open to this machine only, and the gateway reaches it there', () => {
  const { server, gateway } = compose.services;
  expect(server?.ports).toEqual(['127.0.0.1:8420:8420', '2222:22']);
  expect(gateway?.network_mode).toBe('service:server');
  expect(gateway?.environment?.['SALLYPORT_SERVER']).toBe('http://localhost:8420');
  expect(dockerfile).toContain('SALLYPORT_LISTEN=0.0.0.0:8420');
});

test('with TLS the gateway goes to the public name, and the proxy alone is believed', () => {
  const { server, gateway, proxy } = https.services;
  expect(gateway?.environment?.['SALLYPORT_SERVER']).toMatch(/^https:\/\/\$\{SALLYPORT_HOST\}$/);
  expect(server?.environment?.['SALLYPORT_TRUSTED_PROXIES']).toBe('172.30.84.0/24');
  expect(proxy?.ports).toEqual(['80:80', '443:443']);
});

test('the compose files give no service a setting that it does not have', async () => {
  const { settingsSchema } = await import('../../src/server/settings.ts');
  const entrypoint = await readFile(join(deploy, 'gateway-entrypoint.sh'), 'utf8');
  const example = await readFile(join(deploy, 'server.env.example'), 'utf8');
  const ofServer = [compose, https].flatMap(({ services: { server } }) =>
    Object.keys(server?.environment ?? {}),
  );
  const inExample = [...example.matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name ?? '');
  expect(inExample.length).toBeGreaterThan(4);
  for (const name of [...ofServer, ...inExample]) {
    expect([...Object.keys(settingsSchema.shape), 'DATABASE_URL_FILE']).toContain(name);
  }
  const ofGateway = Object.keys(compose.services['gateway']?.environment ?? {});
  for (const name of ofGateway) expect(entrypoint).toContain(`\${${name}:-`);
});

test('every file that the images copy is in the repository, and .dockerignore lets it through', async () => {
  const ignore = (await readFile(join(root, '.dockerignore'), 'utf8')).split('\n');
  expect(ignore).toContain('*');
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, files = '']) =>
    files.split(' '),
  );
  expect(copied).toContain('deploy/gateway-entrypoint.sh');
  for (const file of copied) {
    expect(existsSync(join(root, file)), file).toBe(true);
    expect(ignore).toContain(`!${file}`);
  }
});

test('the scripts are POSIX sh, and may be run', async () => {
  const scripts = (await readdir(deploy)).filter((name) => name.endsWith('.sh'));
  expect(scripts).toEqual(['gateway-entrypoint.sh', 'install.sh', 'make-secrets.sh']);
  for (const name of scripts) {
    await run('/bin/sh', ['-n', join(deploy, name)]);
    expect((await stat(join(deploy, name))).mode & 0o111).toBe(0o111);
  }
});

test('make-secrets makes what the compose file reads, and never overwrites', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'sallyport-secrets-'));
  const folder = join(parent, 'secrets');
  const make = () => run(join(deploy, 'make-secrets.sh'), [folder]);
  const contents = async () =>
    await Promise.all((await readdir(folder)).sort().map((name) => readFile(join(folder, name), 'utf8')));
  const { stdout } = await make();
  expect(stdout).toContain(
    `put the client secret of your identity provider into ${folder}/oidc_client_secret`,
  );
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  const names = Object.values(compose.secrets).map(({ file }) => file.split('/').at(-1));
  expect((await readdir(folder)).sort()).toEqual(
    names.filter((name) => name !== 'oidc_client_secret').sort(),
  );
  const [url = '', token, password = ''] = await contents();
  expect(password).toMatch(/^[0-9a-f]{48}$/);
  expect(url).toBe(`postgres://sallyport:${password}@postgres/sallyport`);
  expect(token).toBe('');
  await make();
  expect(await contents()).toEqual([url, token, password]);
  await rm(parent, { recursive: true });
});

test('the systemd units run commands that there are', async () => {
  const units = (await readdir(join(deploy, 'systemd'))).filter((name) => name.endsWith('.service')).sort();
  expect(units).toEqual(['sallyport-gateway.service', 'sallyport-host.service', 'sallyport-server.service']);
  for (const unit of units) {
    const text = await readFile(join(deploy, 'systemd', unit), 'utf8');
    const [, words = ''] =
      /^ExecStart=\/usr\/bin\/node (?:--\S+ )*bin\/sallyport\.js (.+)$/m.exec(text) ?? [];
    expect(words).not.toBe('');
    const help = await run(process.execPath, [join(root, 'src/sallyport.ts'), ...words.split(' '), '--help']);
    expect(help.stdout).toContain(`Usage: sallyport ${words}`);
  }
});

test('where the companion is one file, its units run that which an installation keeps', async () => {
  const text = await readFile(join(deploy, 'systemd/one-file.conf'), 'utf8');
  const program = join(realMachine('host').programFolder, ownProgramName);
  // Empty first: a second ExecStart would come on top. %j is what follows the last dash of a unit's name.
  expect(text).toContain(`\nExecStart=\nExecStart=${program} %j run\n`);
});

// Where there is no systemd there is nothing to say about its units: not a test that was skipped.
if (existsSync('/usr/bin/systemd-analyze')) {
  test('systemd accepts the units', async () => {
    const folders = ['systemd', 'host-by-hand'].map((name) => join(deploy, name));
    const files = (
      await Promise.all(folders.map(async (name) => (await readdir(name)).map((one) => [name, one])))
    ).flat();
    for (const [folder = '', unit = ''] of files.filter(([, name]) =>
      /\.(service|timer)$/.test(name ?? ''),
    )) {
      const path = join(folder, unit);
      const { stdout, stderr } = await run('/usr/bin/systemd-analyze', ['verify', '--man=no', path]).catch(
        (error) => error,
      );
      const complaints = `${stdout}${stderr}`.split('\n').filter((line) => line.includes(unit));
      // Where the program is, is the operator's business.
      expect(complaints.filter((line) => !line.includes('is not executable'))).toEqual([]);
    }
  });
}
