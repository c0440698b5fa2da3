/** What the companions' units leave of root must be enough for what a companion does: it reads of sshd in /proc. */
import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { canGenerateNames } from '../../src/dev/local-sshd-namespace.ts';
import { root } from '../dev/started-program.ts';
import type { Sees } from './looking-companion.ts';

const run = promisify(execFile);
const hasRoot = canGenerateNames();

/** With all of root's rights, as sshd's listener and monitors have them. */
const server = createServer();
/** A session's, which belongs to somebody else. */
const stranger = hasRoot
  ? spawn('/bin/cat', { uid: 65_534, stdio: ['pipe', 'ignore', 'ignore'] })
  : undefined;
let port = 0;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
  const client = connect(port, '127.0.0.1');
  await new Promise((resolve) => server.once('connection', resolve));
  client.unref();
});
afterAll(() => {
  stranger?.kill('SIGKILL');
  server.close();
});

async function capabilitiesOf(unit: string): Promise<string> {
  const text = await readFile(join(root, 'deploy/systemd', unit), 'utf8');
  const [, names = ''] = /^CapabilityBoundingSet=(.*)$/m.exec(text) ?? [];
  return names
    .split(' ')
    .map((name) => `+${name.replace(/^CAP_/, '').toLowerCase()}`)
    .join();
}

const hidden = ['sh', '-c', 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', 'sh'];

test.skipIf(!hasRoot).each<[string, string, readonly string[]]>([
  ['sallyport-gateway.service', 'as it is', []],
  ['sallyport-gateway.service', 'with hidepid=2', hidden],
  ['sallyport-host.service', 'as it is', []],
  ['sallyport-host.service', 'with hidepid=2', hidden],
])(
  'a companion with what %s leaves it sees the processes of sshd in /proc %s',
  async (unit, _how, before) => {
    const { stdout } = await run('/usr/bin/unshare', [
      ...['--mount', '--propagation', 'private', ...before],
      ...['/usr/bin/setpriv', `--bounding-set=-all,${await capabilitiesOf(unit)}`, '--no-new-privs'],
      ...[process.execPath, join(root, 'test/deploy/looking-companion.ts')],
      ...[`${process.pid}`, `${stranger?.pid}`],
    ]);
    const all: Sees = { root: true, stranger: true, listens: [port], client: '127.0.0.1', traffic: 1 };
    expect(JSON.parse(stdout)).toEqual(all);
  },
);
