/**
 * [abuse 131]: what is believed of a newer version. The signature, a document that goes back, one that is withheld until it
 * is out of date, and parts of two releases put together; each is refused, with what was seen before left on disk.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastify from 'fastify';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { signedRelease } from '../../../build/release.ts';
import type { ReleaseManifest } from '../../../src/cli/release/manifest.ts';
import { answerProblems } from '../../../src/http/problems.ts';
import { releaseRoutes } from '../../../src/http/release-routes.ts';
import { readReleaseFile } from '../../../src/server/release-file.ts';
import { Person, type RunOptions } from '../person.ts';
import { ServerDouble } from '../server-double.ts';

const folder = mkdtempSync(join(tmpdir(), 'sally-release-'));
const key = join(folder, 'release');
const otherKey = join(folder, 'other');
const now = new Date('2026-11-21T12:00:00Z');
const day = 86_400_000;
let server: Server;
let url: string;
let document = '';
let asked = 0;
let alice: Person;

beforeAll(async () => {
  for (const file of [key, otherKey]) {
    spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file]);
  }
  server = createServer((_, response) => {
    asked += 1;
    response.writeHead(document === '' ? 404 : 200).end(document);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sally.release`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const manifest: ReleaseManifest = {
  program: 'sally',
  number: 7,
  version: '1.2.0',
  issuedAt: now,
  expiresAt: new Date(now.getTime() + 60 * day),
  files: [{ name: 'sally-1.2.0-linux-x64', size: 118_000_000, sha256: 'a'.repeat(64) }],
};
const signed = (changes: Partial<ReleaseManifest> = {}, by = key) =>
  signedRelease({ ...manifest, ...changes }, by);

const build = { packaging: 'npm', architecture: 'x64', releaseKeys: [''] as string[] } as const;
beforeAll(() => {
  build.releaseKeys[0] = readFileSync(`${key}.pub`, 'utf8').trim();
});

beforeEach(async () => {
  alice = new Person();
  asked = 0;
  await sally('update-check', 'on', '--url', url);
});
afterEach(() => alice.remove());

function sally(...argv: string[]) {
  return run(argv);
}

function run(argv: string[], options: RunOptions = {}) {
  const { environment, ...rest } = options;
  return alice.sally(argv, {
    now: () => now,
    environment: { version: '1.0.0', build, ...environment },
    ...rest,
  });
}

const stateFile = () => join(alice.paths.folder, 'update.json');
const seen = () => JSON.parse(readFileSync(stateFile(), 'utf8')).seen;

describe('[abuse 131] sally update-check now', () => {
  test('tells a newer version and the command for how this one came, and replaces nothing', async () => {
    document = signed();
    const { code, stdout } = await sally('update-check', 'now');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Newest +1\.2\.0$/m);
    expect(stdout).toContain('To update: npm install --global @sallyport/sally@1.2.0');
    expect(seen()).toMatchObject({ number: 7, version: '1.2.0' });
    expect(asked).toBe(1);
  });

  test.each([
    ['another key', () => signed({}, otherKey)],
    ['no signature', () => signed().replace(/-----BEGIN[\s\S]*/, '')],
    ['another version under the signature', () => signed().replace('version 1.2.0', 'version 1.9.0')],
    ['a file of another release put in', () => signed().replace('a'.repeat(64), 'b'.repeat(64))],
    ['a line added behind the signature', () => `${signed()}file x 1 ${'a'.repeat(64)}\n`],
    [
      'a signature for another purpose',
      () => {
        const text = signed().replace(/-----BEGIN[\s\S]*/, '');
        const args = ['-q', '-Y', 'sign', '-f', key, '-n', 'file'];
        return text + spawnSync('ssh-keygen', args, { input: text, encoding: 'utf8' }).stdout;
      },
    ],
  ])('refuses %s', async (_, made) => {
    document = made();
    const { code, stderr } = await sally('update-check', 'now');
    expect(code).toBe(1);
    expect(stderr).toContain('not signed by a key that this sally was built with');
    expect(seen()).toBeNull();
  });

  test.each<[string, Partial<ReleaseManifest>, string]>([
    ['of another program', { program: 'sallyport' }, 'about another program'],
    ['that is out of date', { issuedAt: new Date(now.getTime() - 61 * day), expiresAt: now }, 'out of date'],
    ['that counts for ever', { expiresAt: new Date(now.getTime() + 91 * day) }, 'more than 90 days'],
    [
      'of the future',
      { issuedAt: new Date(now.getTime() + 2 * day), expiresAt: new Date(now.getTime() + 9 * day) },
      'in the future',
    ],
  ])('refuses a signed one %s', async (_, changes, why) => {
    document = signed(changes);
    const { code, stderr } = await sally('update-check', 'now');
    expect(code).toBe(4);
    expect(stderr).toContain(why);
    expect(seen()).toBeNull();
  });

  test.each<[string, Partial<ReleaseManifest>, string]>([
    ['its number goes back', { number: 6, version: '1.3.0' }, 'older than what was seen'],
    ['its number was used by another', { version: '1.2.1' }, 'has the number of another one'],
    ['its version goes back', { number: 8, version: '1.1.9' }, 'its version is older'],
  ])('refuses a signed one after a newer was seen: %s', async (_, changes, why) => {
    document = signed();
    await sally('update-check', 'now');
    const before = seen();
    document = signed(changes);
    const { code, stderr } = await sally('update-check', 'now');
    expect([code, seen()]).toEqual([4, before]);
    expect(stderr).toContain(why);
    document = signed();
    expect((await sally('update-check', 'now')).code).toBe(0);
  });

  test('refuses what is over by what it has seen, though the clock was set back', async () => {
    document = signed({ expiresAt: new Date(now.getTime() + day) });
    await sally('update-check', 'now');
    document = signed({ number: 8, issuedAt: new Date(now.getTime() - 3 * day), expiresAt: now });
    const { code, stderr } = await run(['update-check', 'now'], {
      now: () => new Date(now.getTime() - 2 * day),
    });
    expect(code).toBe(4);
    expect(stderr).toContain('out of date');
  });

  test('does not forget what it has seen because the file is broken', async () => {
    document = signed();
    await sally('update-check', 'now');
    writeFileSync(stateFile(), '{}');
    const { code, stderr } = await sally('update-check', 'now');
    expect(code).toBe(6);
    expect(stderr).toContain('Delete it');
  });

  test('believes nobody where no key was built in', async () => {
    document = signed();
    const { code, stderr } = await run(['update-check', 'now'], {
      environment: { build: { ...build, releaseKeys: [] } },
    });
    expect([code, asked]).toEqual([2, 0]);
    expect(stderr).toContain('without a key for releases');
  });
});

describe('a server that its operator gave a release', () => {
  const file = join(folder, 'sally.release');
  const app = fastify();
  answerProblems(app, []);
  releaseRoutes(app, { readRelease: () => readReleaseFile(file) });
  const none = fastify();
  answerProblems(none, []);
  releaseRoutes(none, {});
  afterAll(() => Promise.all([app.close(), none.close()]));

  test('tells those who are logged in there, and of one that was signed since without a new start', async () => {
    const environment = { server: await app.listen({ host: '127.0.0.1', port: 0 }) };
    await sally('update-check', 'on');
    for (const [number, version] of [
      [7, '1.2.0'],
      [8, '1.3.0'],
    ] as const) {
      writeFileSync(file, signed({ number, version }));
      const { code, stdout } = await run(['update-check', 'now'], { environment });
      expect([code, stdout]).toEqual([0, expect.stringMatching(new RegExp(`^Newest +${version}$`, 'm'))]);
    }
    expect(asked).toBe(0);
  });

  test.each([
    ['is not there', () => rmSync(file, { force: true })],
    ['is a pipe', () => spawnSync('mkfifo', [file])],
    [
      'is a private key',
      () => {
        rmSync(file);
        writeFileSync(file, readFileSync(key));
      },
    ],
    ['has something behind the signature', () => writeFileSync(file, `${signed()}DATABASE_URL=secret\n`)],
    ['is too long', () => writeFileSync(file, `sallyport-release 1\n${'x'.repeat(70_000)}\n`)],
  ])('shows nobody a file that %s', async (_, make) => {
    make();
    const reply = await app.inject('/v1/releases/sally');
    expect([reply.statusCode, reply.json().code]).toEqual([503, 'unavailable']);
    expect(reply.body).not.toMatch(/secret|PRIVATE|sally-release-/);
  });

  test('or that it says nothing of releases, where he gave none', async () => {
    const environment = { server: await none.listen({ host: '127.0.0.1', port: 0 }) };
    await sally('update-check', 'on');
    const { code, stderr } = await run(['update-check', 'now'], { environment });
    expect(code).not.toBe(0);
    expect(stderr).toContain('says nothing about releases of sally');
  });
});

describe('by itself', () => {
  const terminal = { isTerminal: true, stdinIsTerminal: true };
  const double = new ServerDouble();
  beforeAll(() => double.start());
  afterAll(() => double.stop());

  test('it looks once a day, behind a command that asked a server anyway, and only at a terminal', async () => {
    await alice.login(double.url);
    document = signed();
    const whoami = (environment: Record<string, unknown>, at = now) =>
      run(['whoami'], { environment, now: () => at });
    for (const script of [{}, { isTerminal: true }, { stdinIsTerminal: true }]) {
      expect((await whoami(script)).stderr).toBe('');
    }
    expect(asked).toBe(0);
    const line = 'sally: version 1.2.0 is there. To update: npm install --global @sallyport/sally@1.2.0\n';
    expect((await whoami(terminal)).stderr).toBe(line);
    expect((await whoami(terminal)).stderr).toBe('');
    expect(asked).toBe(1);
    expect((await whoami(terminal, new Date(now.getTime() + day))).stderr).toBe(line);
    expect(asked).toBe(2);
  });

  test('it says nothing of what went wrong, and the command ends as ever', async () => {
    await alice.login(double.url);
    document = signed({}, otherKey);
    const { code, stderr } = await run(['whoami'], { environment: terminal });
    expect([code, stderr, asked]).toEqual([0, '', 1]);
    await sally('update-check', 'off');
    await run(['whoami'], { environment: terminal, now: () => new Date(now.getTime() + 2 * day) });
    expect(asked).toBe(1);
  });

  test('it asks nobody before it is switched on', async () => {
    alice.remove();
    alice = new Person();
    const { stdout } = await sally('update-check', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ on: false, url: null, newest: null, update: null });
    expect(asked).toBe(0);
    expect(alice.has(stateFile())).toBe(false);
  });

  test('it goes only where it was told, encrypted', async () => {
    for (const wrong of [
      'http://releases.example.com/x',
      'file:///etc/passwd',
      'https://u:p@example.com/x',
    ]) {
      expect((await sally('update-check', 'on', '--url', wrong)).code).toBe(2);
    }
    expect((await sally('update-check', 'now', '--url', url)).code).toBe(2);
  });
});
