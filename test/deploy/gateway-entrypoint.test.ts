import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { canGenerateNames } from '../../src/dev/local-sshd-namespace.ts';
import { hasPostgres } from '../database/fresh-database.ts';
import { root, start } from '../dev/started-program.ts';
import { freePort } from '../gateway/ssh-client.ts';
import { type Installation, newInstallation, setupOfGlobex } from '../server/installation.ts';
import { type Container, runGatewayContainer } from './container.ts';

const run = promisify(execFile);
const canRun = hasPostgres && canGenerateNames();

describe.skipIf(!canRun)(
  "the gateway's entrypoint (needs root, openssh-server, curl, libnss-extrausers, Postgres)",
  () => {
    let globex: Installation;
    let folder: string;
    let sshPort: number;
    let token: string;
    let container: Container | undefined;

    beforeAll(async () => {
      globex = await newInstallation();
      const file = join(globex.folder, 'setup.json');
      await writeFile(file, JSON.stringify(setupOfGlobex));
      await globex.sallyport('keys', 'create', globex.keys);
      const { output } = await globex.sallyport('setup', file);
      token = join(globex.folder, 'token');
      await writeFile(token, /gateway bastion: .*: (\S+)/.exec(output)?.[1] ?? '');
      globex.frontDoor.leadTo([(await globex.serve()).port]);
      folder = await mkdtemp(join(tmpdir(), 'sallyport-container-'));
      sshPort = await freePort();
    });
    afterEach(async () => {
      container?.child.kill('SIGKILL');
      await container?.ended;
    });
    afterAll(async () => {
      await globex?.close();
      await rm(folder, { recursive: true, force: true });
    });

    async function runContainer(environment: Readonly<Record<string, string>> = {}): Promise<Container> {
      container = await runGatewayContainer({
        folder,
        sshPort,
        environment: {
          SALLYPORT_SERVER: globex.publicUrl.origin,
          SALLYPORT_TOKEN_FILE: token,
          ...environment,
        },
      });
      return container;
    }

    const hostCertificate = async () =>
      (await run('/usr/bin/ssh-keygen', ['-L', '-f', join(folder, 'volume/gateway/host_key-cert.pub')]))
        .stdout;

    test('without a server or a token says what to set', async () => {
      const nowhere = await runContainer({ SALLYPORT_SERVER: '' });
      expect(await nowhere.ended).toBe(1);
      expect(nowhere.output()).toContain('set SALLYPORT_SERVER');
      const nobody = await runContainer({ SALLYPORT_TOKEN_FILE: '' });
      expect(await nobody.ended).toBe(1);
      expect(nobody.output()).toContain('sallyport enrolment-token NAME');
    });

    test('a server that is not this machine and not https is refused', async () => {
      const open = await runContainer({ SALLYPORT_SERVER: 'http://server:8420' });
      expect(await open.ended).toBe(1);
      expect(open.output()).toContain("http://server:8420 is not a server's URL. Give an https:// URL");
    });

    test('enrols once, then answers as the machine that the CA certified; TERM ends both programs with status 0', async () => {
      const first = await runContainer();
      await first.says(/Server listening on 127\.0\.0\.1/);
      await first.says(/Now start the companion[\s\S]*"event":"state.in_force"/);
      expect(first.output()).toContain('Enrolled as gateway bastion');
      expect(await hostCertificate()).toContain('host certificate');
      const { stdout: keys } = await run('/usr/bin/ssh-keyscan', ['-c', '-p', String(sshPort), '127.0.0.1']);
      expect(keys).toContain('ssh-ed25519-cert-v01@openssh.com');
      first.signalMain('SIGTERM');
      expect(await first.ended).toBe(0);
      expect((await stat(join(folder, 'volume/gateway/companion.json'))).mode & 0o777).toBe(0o600);
    });

    test('a new container with the old volume is the same gateway, without a token', async () => {
      const again = await runContainer({ SALLYPORT_TOKEN_FILE: '' });
      await again.says(/Server listening on 127\.0\.0\.1/);
      expect(again.output()).toContain('Enrolled as gateway bastion');
      again.signalMain('SIGTERM');
      expect(await again.ended).toBe(0);
    });

    test('the companion does with the capabilities that its systemd unit leaves it', async () => {
      const unit = await readFile(join(root, 'deploy/systemd/sallyport-gateway.service'), 'utf8');
      const left = /^CapabilityBoundingSet=(.+)$/m.exec(unit)?.[1]?.replaceAll('CAP_', '+').toLowerCase();
      const bounding = `--bounding-set=-all,${left?.split(' ').join(',')}`;
      const bin = join(folder, 'bin');
      const lines = [
        '#!/bin/sh',
        `case "$*" in *"gateway run") exec setpriv ${bounding} ${process.execPath} "$@" ;; esac`,
        `exec ${process.execPath} "$@"`,
      ];
      await mkdir(bin);
      await writeFile(join(bin, 'node'), lines.map((line) => `${line}\n`).join(''), { mode: 0o755 });
      const running = await runContainer({ PATH: `${bin}:${process.env['PATH']}` });
      await running.says(/Server listening on 127\.0\.0\.1/);
      const [companion] = running.pidsWith('gateway run');
      const status = await readFile(`/proc/${companion}/status`, 'utf8');
      // CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, KILL 5, SYS_PTRACE 19 (capabilities(7)).
      expect(/^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1]).toBe('000000000008002b');
      await running.says(/(?:Now start|Restart) the companion[\s\S]*"event":"state.in_force"/);
      expect(running.output()).not.toMatch(/EPERM|EACCES|"level":"error"/);
      running.signalMain('SIGTERM');
      expect(await running.ended).toBe(0);
    });

    test("what a person sees who isn't known: publickey only", async () => {
      const running = await runContainer();
      await running.says(/Server listening on 127\.0\.0\.1/);
      const ssh = start('/usr/bin/ssh', [
        ...['-F', 'none', '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no'],
        ...['-o', `UserKnownHostsFile=${join(folder, 'known')}`, '-p', String(sshPort)],
        'billing-live--api@127.0.0.1',
      ]);
      expect(await ssh.ended).toBe(255);
      expect(ssh.output()).toContain('Permission denied (publickey)');
    });

    test.each([
      ['companion', 'gateway run', 'the companion ended'],
      ['sshd', '/usr/sbin/sshd -D', 'sshd ended'],
    ])('a dead %s ends the container with status 1', async (_what, commandLine, words) => {
      const running = await runContainer();
      await running.says(/Server listening on 127\.0\.0\.1/);
      const pids = running.pidsWith(commandLine);
      expect(pids.length).toBeGreaterThan(0);
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      expect(await running.ended).toBe(1);
      expect(running.output()).toContain(`gateway: ${words}`);
    });
  },
);
