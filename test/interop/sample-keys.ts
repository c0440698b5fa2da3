/** Key pairs of every kind that a person's file may hold, in a file that OpenSSH and everybody else reads. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { publicKeyBlobOf } from '../../src/ssh/public-key.ts';

export interface SampleKeyPair {
  readonly privateKey: KeyObject;
  readonly blob: Buffer;
  /** Of the private key file: OpenSSH's own format for Ed25519, PEM as `ssh-keygen -m PEM` writes it for the others. */
  readonly file: string;
}

export type KeyKind = 'ed25519' | 'nistp256' | 'nistp384' | 'nistp521' | 'rsa';

const makers: Readonly<Record<KeyKind, () => SampleKeyPair>> = {
  ed25519() {
    const { privateKey, publicKeyBlob, openssh } = generateEd25519();
    return { privateKey, blob: publicKeyBlob, file: openssh('') };
  },
  nistp256: () => ecdsa('P-256'),
  nistp384: () => ecdsa('P-384'),
  nistp521: () => ecdsa('P-521'),
  rsa() {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
    return fromKeyObject(privateKey, privateKey.export({ type: 'pkcs1', format: 'pem' }));
  },
};

export function newKeyPair(kind: KeyKind): SampleKeyPair {
  return makers[kind]();
}

function ecdsa(namedCurve: string): SampleKeyPair {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve });
  return fromKeyObject(privateKey, privateKey.export({ type: 'sec1', format: 'pem' }));
}

function fromKeyObject(privateKey: KeyObject, file: string | Buffer): SampleKeyPair {
  return { privateKey, blob: publicKeyBlobOf(privateKey), file: `${file}` };
}
