/** Somebody else's sshd, which knows nothing of us: a bastion, and with `ssh -D` a SOCKS proxy. */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { type LocalSshd, startLocalSshd } from '../../../src/dev/local-sshd.ts';
import { freePort } from '../../gateway/ssh-client.ts';
import { run } from '../person.ts';

export interface StockSshd {
  readonly port: number;
  /** `user@127.0.0.1:port` */
  readonly destination: string;
  /** The private key that it lets in. */
  readonly key: string;
  readonly knownHosts: string;
  readonly sshd: LocalSshd;
  /** The port of a SOCKS proxy that connects from there. */
  startSocks(): Promise<number>;
  stop(): Promise<void>;
}

export async function startStockSshd(folder: string): Promise<StockSshd> {
  mkdirSync(folder, { mode: 0o700 });
  const port = await freePort();
  const user = userInfo().username;
  const [hostKey, key] = ['host-key', 'key'].map((name) => {
    const file = join(folder, name);
    run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
    return file;
  }) as [string, string];
  const knownHosts = join(folder, 'known-hosts');
  writeFileSync(knownHosts, `[127.0.0.1]:${port} ${readFileSync(`${hostKey}.pub`, 'utf8')}`);
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${hostKey}`,
    `PidFile ${join(folder, 'sshd.pid')}`,
    `AuthorizedKeysFile ${key}.pub`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
  ];
  const sshd = await startLocalSshd({
    folder,
    sshd: '/usr/sbin/sshd',
    address: '127.0.0.1',
    port,
    configuration: `${lines.join('\n')}\n`,
  });
  const started: ReturnType<typeof spawn>[] = [];
  return {
    port,
    destination: `${user}@127.0.0.1:${port}`,
    key,
    knownHosts,
    sshd,
    async startSocks() {
      const socks = await freePort();
      const options = ['UserKnownHostsFile', 'IdentitiesOnly', 'BatchMode', 'ExitOnForwardFailure'];
      const values = [knownHosts, 'yes', 'yes', 'yes'];
      const given = options.flatMap((option, at) => ['-o', `${option}=${values[at]}`]);
      const where = ['-i', key, '-p', String(port), '-l', user, '--', '127.0.0.1'];
      const args = ['-F', '/dev/null', '-N', '-D', `127.0.0.1:${socks}`, ...given, ...where];
      started.push(spawn('ssh', args, { stdio: 'ignore' }));
      await vi.waitFor(() => canConnect(socks), { timeout: 20_000 });
      return socks;
    },
    async stop() {
      for (const child of started) child.kill();
      await sshd.stop();
    },
  };
}

function canConnect(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.destroy();
      resolve();
    }).on('error', reject);
  });
}
