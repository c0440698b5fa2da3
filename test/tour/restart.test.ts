import { copyFileSync, existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEmbedded } from '../../src/database/open-embedded.ts';
import { freePorts, type RunningDev, startDev } from '../../src/dev/start-dev.ts';
import { Person } from '../../src/dev/tour/person.ts';
import { root } from '../dev/started-program.ts';

const hasSshd = existsSync('/usr/sbin/sshd');
const host = 'shop-production--web.sallyport';
let folder: string;
let dev: RunningDev | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-restart-'));
});
afterAll(async () => {
  await dev?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(ports: Awaited<ReturnType<typeof freePorts>>): Promise<RunningDev> {
  return await startDev({
    dataFolder: join(folder, 'data'),
    openDatabase: (folder) => openEmbedded({ folder }),
    publicUrl: new URL(`http://localhost:${ports.console}`),
    ports,
    ssh: 'required',
    logger: { level: 'silent' },
    machineLog: () => {},
  });
}

test.skipIf(!hasSshd)(
  'after a restart of everything a revoked person stays out, and who is logged in stays in',
  async () => {
    const ports = await freePorts();
    dev = await start(ports);
    const person = (username: string) => {
      const password = dev?.people.people.find((each) => each.username === username)?.password ?? '';
      const sallyEntry = join(root, 'src', 'sally.ts');
      return new Person({
        username,
        password,
        home: join(folder, username),
        dev: dev as RunningDev,
        sallyEntry,
      });
    };
    const alice = person('alice');
    const bob = person('bob');
    await alice.login();
    await bob.login();
    await bob.ssh([host, 'true']);
    // Kept aside: sally itself stops offering a certificate whose session has ended.
    const certificate = await bob.certificateFile();
    const stolen = join(folder, 'stolen');
    copyFileSync(certificate.replace(/-cert\.pub$/, ''), stolen);
    copyFileSync(certificate, `${stolen}-cert.pub`);
    await alice.sally(['admin', 'sessions', 'revoke', await bob.sessionId(), '--yes']);

    await dev.stop();
    dev = await start(ports);

    const jump = dev.login === undefined ? 'shop-production--web@gateway' : `${dev.login}@gateway`;
    const again = await bob.ssh(['-i', stolen, '-o', 'IdentitiesOnly=yes', `${jump}.sallyport`], {
      mayFail: true,
    });
    expect(again.status).not.toBe(0);
    expect(again.stderr).toContain('Permission denied (publickey)');
    expect((await alice.ssh([host, 'echo in'])).stdout).toBe('in\n');
  },
);
