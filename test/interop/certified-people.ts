/**
 * People with certificates of ours for a key of each kind, by a CA of each kind, and a real sshd that lets in whom these
 * CAs certify, shows a host certificate of ours and tells everybody with what they came in.
 */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { type LocalSshd, startLocalSshd } from '../../src/dev/local-sshd.ts';
import type { CertificateFields } from '../../src/ssh/certificate.ts';
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { publicKeyLine } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import { freePort } from '../gateway/ssh-client.ts';
import { type KeyKind, newKeyPair, type SampleKeyPair } from './sample-keys.ts';
import type { temporaryFolder } from './ssh-keygen.ts';

type Folder = ReturnType<typeof temporaryFolder>;

export const account = 'alice@example.org';
/** The only name that the host's certificate holds; it also answers to `localhost`. */
export const hostName = '127.0.0.1';

/** The command by which a person sees with what sshd let them in. */
export const howISignedIn = 'cat "$SSH_USER_AUTH"';

export const caOfKey: readonly (readonly [KeyKind, KeyKind])[] = [
  ['ed25519', 'rsa'],
  ['nistp256', 'ed25519'],
  ['nistp384', 'nistp521'],
  ['nistp521', 'nistp384'],
  ['rsa', 'nistp256'],
];

export interface CertifiedPerson {
  readonly kind: KeyKind;
  readonly key: SampleKeyPair;
  /** Of the private key; the certificate's is the same with `-cert.pub`. */
  readonly keyFile: string;
  readonly certificate: Buffer;
  readonly certificateFile: string;
  /** What howISignedIn prints. */
  readonly signedIn: string;
  readonly ca: SampleKeyPair;
}

/** Seconds since 1970: other people's programs ask the machine's clock. */
export const now = BigInt(Math.floor(Date.now() / 1000));

export const userFields = {
  kind: 'user',
  nonce: Buffer.alloc(32, 7),
  serial: 2n ** 53n + 1n,
  keyId: `${account}/01ab`,
  principals: [account, `mfa:${account}`],
  validAfter: now - 60n,
  validBefore: now + 3600n,
  criticalOptions: [{ name: 'source-address', value: '127.0.0.0/8,::1' }],
  extensions: [
    { name: 'claims@ca.example.org', value: '{"v":1}' },
    { name: 'permit-pty', value: '' },
  ],
} satisfies Omit<CertificateFields, 'publicKey' | 'caPublicKey'>;

export class CertifiedPeople {
  readonly people: readonly CertifiedPerson[];
  /** By what sshd has against them. */
  readonly refused: Readonly<Record<'expired' | 'of another account' | 'by an unknown CA', CertifiedPerson>>;
  readonly hostCa = newKeyPair('ed25519');
  readonly host = newKeyPair('ed25519');
  readonly login = userInfo().username;
  port = 0;
  readonly #folder: Folder;
  #sshd: LocalSshd | undefined;

  constructor(folder: Folder) {
    this.#folder = folder;
    this.people = caOfKey.map(([kind, caKind]) => this.#certify(kind, kind, newKeyPair(caKind)));
    const [{ ca }] = this.people as [CertifiedPerson];
    this.refused = {
      expired: this.#certify('expired', 'ed25519', ca, { validBefore: now - 1n }),
      'of another account': this.#certify('other', 'ed25519', ca, { principals: ['bob@example.org'] }),
      'by an unknown CA': this.#certify('stranger', 'ed25519', newKeyPair('ed25519')),
    };
  }

  async startSshd(): Promise<void> {
    const folder = this.#folder;
    const authorities = this.people.map(({ ca }) => `${publicKeyLine({ blob: ca.blob })}\n`);
    const hostFields: CertificateFields = {
      ...userFields,
      kind: 'host',
      keyId: 'host/web',
      principals: [hostName],
      criticalOptions: [],
      extensions: [],
      publicKey: this.host.blob,
      caPublicKey: this.hostCa.blob,
    };
    const hostCertificate = certificateLine(certificateOf(hostFields, this.hostCa));
    this.port = await freePort();
    const configuration = [
      `Port ${this.port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${folder.write('host', this.host.file)}`,
      `HostCertificate ${folder.write('host-cert.pub', `${hostCertificate}\n`)}`,
      `TrustedUserCAKeys ${folder.write('authorities', authorities.join(''))}`,
      `AuthorizedPrincipalsFile ${folder.write('principals', `${account}\n`)}`,
      'AuthorizedKeysFile none',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'UsePAM no',
      // The folder's parent is everybody's temporary folder.
      'StrictModes no',
      'ExposeAuthInfo yes',
      'PidFile none',
    ];
    // As root sshd wants a folder under /run that a machine without the service may lack.
    const isBare = process.getuid?.() === 0 && !existsSync('/run/sshd');
    this.#sshd = await startLocalSshd({
      folder: folder.path('sshd'),
      sshd: '/usr/sbin/sshd',
      address: '127.0.0.1',
      port: this.port,
      configuration: configuration.map((line) => `${line}\n`).join(''),
      ...(isBare ? { namespace: { binds: [] } } : {}),
    });
  }

  async stop(): Promise<void> {
    await this.#sshd?.stop();
  }

  #certify(
    name: string,
    kind: KeyKind,
    ca: SampleKeyPair,
    changes: Partial<CertificateFields> = {},
  ): CertifiedPerson {
    const key = newKeyPair(kind);
    const fields = { ...userFields, publicKey: key.blob, caPublicKey: ca.blob, ...changes };
    const certificate = certificateOf(fields, ca);
    return {
      kind,
      key,
      keyFile: this.#folder.write(`id-${name}`, key.file),
      certificate,
      certificateFile: this.#folder.write(`id-${name}-cert.pub`, `${certificateLine(certificate)}\n`),
      signedIn: `publickey ${certificateLine(certificate)}\n`,
      ca,
    };
  }
}

export function certificateOf(fields: CertificateFields, ca: SampleKeyPair): Buffer {
  const toBeSigned = encodeToBeSigned(fields);
  return assembleCertificate(toBeSigned, signWithKey(ca.privateKey, toBeSigned));
}
