/** A real sshd whose `RevokedKeys` file a test changes, and people who try to get in with certificates of ours. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { type LocalSshd, startLocalSshd } from '../../src/dev/local-sshd.ts';
import { opensshVersion } from '../../src/gateway/programs.ts';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { type GeneratedKey, generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { freePort } from '../gateway/ssh-client.ts';
import type { temporaryFolder } from './ssh-keygen.ts';

const account = 'alice@example.org';
const sshd = '/usr/sbin/sshd';
export const hasSshd = existsSync(sshd);

export interface Visitor {
  readonly name: string;
  readonly key: GeneratedKey;
  readonly keyFile: string;
  readonly line: string;
}

export class RevokingSshd {
  readonly authority: GeneratedKey;
  readonly otherAuthority = generateEd25519();
  readonly #folder: ReturnType<typeof temporaryFolder>;
  #port = 0;
  #sshd: LocalSshd | undefined;

  constructor(folder: ReturnType<typeof temporaryFolder>, authority = generateEd25519()) {
    this.#folder = folder;
    this.authority = authority;
  }

  /** @param revokedKeys the file that it reads at every login; it must be there for anybody to get in */
  async start(revokedKeys: string): Promise<void> {
    const folder = this.#folder;
    const hostKey = generateEd25519();
    const authorities = [this.authority, this.otherAuthority].map((key) => `${lineOf(key)}\n`).join('');
    this.#port = await freePort();
    folder.write('known_hosts', `[127.0.0.1]:${this.#port} ${lineOf(hostKey)}\n`);
    const { major, minor } = await opensshVersion(sshd);
    const configuration = [
      `Port ${this.#port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${folder.write('host', hostKey.openssh('host'))}`,
      `TrustedUserCAKeys ${folder.write('authorities', authorities)}`,
      `AuthorizedPrincipalsFile ${folder.write('principals', `${account}\n`)}`,
      `RevokedKeys ${revokedKeys}`,
      'AuthorizedKeysFile none',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'UsePAM no',
      // The folder's parent is everybody's temporary folder.
      'StrictModes no',
      'ExposeAuthInfo yes',
      'MaxAuthTries 20',
      'MaxStartups 300',
      'PidFile none',
      // Since 9.8 an address that is refused often is shut out for a while.
      ...(major > 9 || (major === 9 && minor >= 8) ? ['PerSourcePenalties no'] : []),
    ];
    // As root sshd wants a folder under /run that a machine without the service may lack.
    const isBare = process.getuid?.() === 0 && !existsSync('/run/sshd');
    this.#sshd = await startLocalSshd({
      folder: folder.path('sshd'),
      sshd,
      address: '127.0.0.1',
      port: this.#port,
      configuration: configuration.map((line) => `${line}\n`).join(''),
      ...(isBare ? { namespace: { binds: [] } } : {}),
    });
  }

  async stop(): Promise<void> {
    await this.#sshd?.stop();
  }

  visitor(
    name: string,
    { serial, keyId = 'alice', by = this.authority }: { serial: bigint; keyId?: string; by?: GeneratedKey },
    key = generateEd25519(),
  ): Visitor {
    const now = BigInt(Math.floor(Date.now() / 1000));
    const toBeSigned = encodeToBeSigned({
      kind: 'user',
      publicKey: key.publicKeyBlob,
      nonce: randomBytes(32),
      serial,
      keyId,
      principals: [account],
      validAfter: now - 3_600n,
      validBefore: now + 3_600n,
      criticalOptions: [],
      extensions: [],
      caPublicKey: by.publicKeyBlob,
    });
    const line = certificateLine(assembleCertificate(toBeSigned, signWithKey(by.privateKey, toBeSigned)));
    const keyFile = this.#folder.write(`id-${name}`, key.openssh(name));
    this.#folder.write(`id-${name}-cert.pub`, `${line}\n`);
    return { name, key, keyFile, line };
  }

  /**
   * One connection that offers the certificates one after the other: the name of the first that sshd takes, or
   * 'nobody'. Whoever stands before that one was refused.
   */
  async whoGetsIn(...visitors: readonly Visitor[]): Promise<string> {
    const settings = [
      'IdentitiesOnly=yes',
      'IdentityAgent=none',
      'BatchMode=yes',
      'ConnectTimeout=20',
      // The quickest: there are hundreds of connections.
      'KexAlgorithms=curve25519-sha256',
      `UserKnownHostsFile=${this.#folder.path('known_hosts')}`,
      ...visitors.flatMap(({ keyFile }) => [
        `IdentityFile=${keyFile}`,
        `CertificateFile=${keyFile}-cert.pub`,
      ]),
    ];
    const child = spawn(
      'ssh',
      [
        ...['-F', '/dev/null', `-p${this.#port}`, ...settings.map((setting) => `-o${setting}`)],
        ...[`${userInfo().username}@127.0.0.1`, 'cat "$SSH_USER_AUTH"'],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent' } },
    );
    let [told, complaint] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      told += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      complaint += chunk;
    });
    await new Promise((resolve) => child.once('close', resolve));
    const taken = visitors.find(({ line }) => told.includes(line));
    if (taken) return taken.name;
    if (complaint.includes('Permission denied')) return 'nobody';
    throw new Error(`ssh failed in another way: ${complaint}${told}`);
  }
}

function lineOf(key: GeneratedKey): string {
  return publicKeyLine({ type: 'ssh-ed25519', blob: key.publicKeyBlob });
}
