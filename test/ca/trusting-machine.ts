/** A real sshd that trusts one user CA and reads its revocation list at every login. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { type LocalSshd, startLocalSshd } from '../../src/dev/local-sshd.ts';
import { isProgram } from '../../src/gateway/programs.ts';
import { runProgram } from '../../src/gateway/run-program.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { freePort } from '../gateway/ssh-client.ts';
import type { temporaryFolder } from '../interop/ssh-keygen.ts';

export const hasSsh = ['/usr/sbin/sshd', '/usr/bin/ssh'].every(isProgram);

export class TrustingMachine {
  readonly #folder: ReturnType<typeof temporaryFolder>;
  readonly #krl: string;
  #sshd: LocalSshd | undefined;
  #port = 0;
  #people = 0;

  constructor(folder: ReturnType<typeof temporaryFolder>) {
    this.#folder = folder;
    this.#krl = folder.path('revoked');
  }

  /** @param principals whom it lets in as whoever runs the test */
  async start(userCa: Buffer, krl: Buffer, principals: readonly string[]): Promise<void> {
    const folder = this.#folder;
    await this.install(krl);
    this.#port = await freePort();
    const configuration = [
      `Port ${this.#port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${folder.write('host', generateEd25519().openssh('host'))}`,
      `TrustedUserCAKeys ${folder.write('authorities', `${publicKeyLine({ blob: userCa })}\n`)}`,
      `RevokedKeys ${this.#krl}`,
      `AuthorizedPrincipalsFile ${folder.write('principals', principals.map((name) => `${name}\n`).join(''))}`,
      'AuthorizedKeysFile none',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'UsePAM no',
      'StrictModes no',
      'PidFile none',
    ];
    // As root sshd wants a folder under /run that a machine without the service may lack.
    const isBare = process.getuid?.() === 0 && !existsSync('/run/sshd');
    this.#sshd = await startLocalSshd({
      folder: folder.path('sshd'),
      sshd: '/usr/sbin/sshd',
      address: '127.0.0.1',
      port: this.#port,
      configuration: configuration.map((line) => `${line}\n`).join(''),
      ...(isBare ? { namespace: { binds: [] } } : {}),
    });
  }

  async install(krl: Buffer): Promise<void> {
    await writeFile(this.#krl, krl, { mode: 0o644 });
  }

  /** Whether a login with the key and this certificate succeeds. */
  async letsIn({ key, certificate }: { key: GeneratedKey; certificate: string }): Promise<boolean> {
    this.#people += 1;
    const name = `id-${this.#people}`;
    const identity = this.#folder.write(name, key.openssh(name));
    this.#folder.write(`${name}-cert.pub`, `${certificate}\n`);
    const { status, stderr } = await runProgram('/usr/bin/ssh', [
      ...['-F', 'none', '-i', identity, '-p', `${this.#port}`, '-l', userInfo().username],
      ...['IdentitiesOnly=yes', 'IdentityAgent=none', 'BatchMode=yes', 'ControlPath=none'].flatMap(asOption),
      ...['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'].flatMap(asOption),
      ...['127.0.0.1', 'true'],
    ]);
    if (status !== 0 && !stderr.includes('Permission denied')) throw new Error(stderr);
    return status === 0;
  }

  async stop(): Promise<void> {
    await this.#sshd?.stop();
  }
}

function asOption(setting: string): string[] {
  return ['-o', setting];
}
