/** A stock sshd without a companion, with the three lines of docs/hosts-by-hand.md. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type LocalSshd, startLocalSshd } from '../../src/dev/local-sshd.ts';
import { isProgram } from '../../src/gateway/programs.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { freePort } from '../gateway/ssh-client.ts';
import { docsPage } from '../structure/docs-page.ts';

export const hasSshd = ['/usr/sbin/sshd', '/usr/bin/ssh', '/usr/bin/curl'].every(isProgram);
/** An ordinary user's sshd lets in nobody else. */
export const ownLogin = userInfo().username;

export interface HandMadeSshd {
  readonly port: number;
  /** In place of /etc/ssh/sallyport: user_ca.pub, revoked_keys and principals/ lie there. */
  readonly etc: string;
  /** The line of its own key for known_hosts. */
  readonly knownHostsLine: string;
  readonly sshd: LocalSshd;
  /** Whom it lets in from now on. */
  letIn(...principals: string[]): void;
}

/** @param prepare fills the folder that stands for /etc/ssh/sallyport */
export async function startHandMadeSshd(
  folder: string,
  prepare: (etc: string) => Promise<void> | void,
): Promise<HandMadeSshd> {
  const etc = join(folder, 'etc');
  mkdirSync(join(etc, 'principals'), { recursive: true, mode: 0o755 });
  await prepare(etc);
  const [threeLines = ''] = docsPage('hosts-by-hand.md').blocks('sshd_config', '## The three lines');
  const port = await freePort();
  const hostKey = generateEd25519();
  writeFileSync(join(folder, 'host-key'), hostKey.openssh('host'), { mode: 0o600 });
  const more = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${join(folder, 'host-key')}`,
    'AuthorizedKeysFile none',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    'UsePAM no',
    'StrictModes no',
    'PidFile none',
    'MaxStartups 300:30:600',
    'LogLevel VERBOSE',
    // A bash that sshd starts reads .bashrc, unless it is told that it runs in another: what stands there is no part of this.
    'SetEnv SHLVL=1',
  ];
  const isBare = process.getuid?.() === 0 && !existsSync('/run/sshd');
  const sshd = await startLocalSshd({
    folder: join(folder, 'sshd'),
    sshd: '/usr/sbin/sshd',
    address: '127.0.0.1',
    port,
    configuration: `${threeLines.replaceAll('/etc/ssh/sallyport', etc)}${more.join('\n')}\n`,
    ...(isBare ? { namespace: { binds: [] } } : {}),
  });
  return {
    port,
    etc,
    knownHostsLine: `[127.0.0.1]:${port} ${publicKeyLine({ blob: hostKey.publicKeyBlob })}\n`,
    sshd,
    letIn(...principals) {
      writeFileSync(join(etc, 'principals', ownLogin), principals.map((name) => `${name}\n`).join(''));
    },
  };
}
