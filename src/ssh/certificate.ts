/**
 * OpenSSH certificates (OpenSSH PROTOCOL.certkeys and PROTOCOL.u2f). The files beside this one encode, parse and verify
 * them, and lint the bytes that are about to be signed.
 */
import type { PublicKeyType } from './key-types.ts';

export type CertificateType =
  | 'ssh-ed25519-cert-v01@openssh.com'
  | 'ecdsa-sha2-nistp256-cert-v01@openssh.com'
  | 'ecdsa-sha2-nistp384-cert-v01@openssh.com'
  | 'ecdsa-sha2-nistp521-cert-v01@openssh.com'
  | 'ssh-rsa-cert-v01@openssh.com'
  | 'sk-ssh-ed25519-cert-v01@openssh.com'
  | 'sk-ecdsa-sha2-nistp256-cert-v01@openssh.com'
  | 'ssh-mldsa44-ed25519-cert-v01@openssh.com';

const certificateTypes: Readonly<Record<PublicKeyType, CertificateType>> = {
  'ssh-ed25519': 'ssh-ed25519-cert-v01@openssh.com',
  'ecdsa-sha2-nistp256': 'ecdsa-sha2-nistp256-cert-v01@openssh.com',
  'ecdsa-sha2-nistp384': 'ecdsa-sha2-nistp384-cert-v01@openssh.com',
  'ecdsa-sha2-nistp521': 'ecdsa-sha2-nistp521-cert-v01@openssh.com',
  'ssh-rsa': 'ssh-rsa-cert-v01@openssh.com',
  'sk-ssh-ed25519@openssh.com': 'sk-ssh-ed25519-cert-v01@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com': 'sk-ecdsa-sha2-nistp256-cert-v01@openssh.com',
  'ssh-mldsa44-ed25519@openssh.com': 'ssh-mldsa44-ed25519-cert-v01@openssh.com',
};

const subjectTypes: ReadonlyMap<string, PublicKeyType> = new Map(
  Object.entries(certificateTypes).map(([keyType, type]) => [type, keyType as PublicKeyType]),
);

/** What a certificate for a key of this type is called. */
export function certificateTypeOf(keyType: PublicKeyType): CertificateType {
  return certificateTypes[keyType];
}

/** The type of the key that a certificate of this type is for; undefined for a type that is not known here. */
export function subjectTypeOf(certificateType: string): PublicKeyType | undefined {
  return subjectTypes.get(certificateType);
}

export type CertificateKind = 'user' | 'host';

/** SSH_CERT_TYPE_USER and SSH_CERT_TYPE_HOST. */
export const kindNumbers: Readonly<Record<CertificateKind, number>> = { user: 1, host: 2 };

/**
 * A critical option or an extension. With a `value` it is printable text, which the format packs once more, or '' for a
 * flag, which has no data at all. What is neither, in an option that OpenSSH does not know, is kept as `data`.
 */
export type CertificateOption =
  | { readonly name: string; readonly value: string; readonly data?: never }
  | { readonly name: string; readonly data: Buffer; readonly value?: never };

export interface CertificateFields {
  readonly kind: CertificateKind;
  /** The subject's key blob. */
  readonly publicKey: Buffer;
  /** 32 random bytes. */
  readonly nonce: Buffer;
  readonly serial: bigint;
  readonly keyId: string;
  readonly principals: readonly string[];
  /** Unix seconds; valid from this second on ... */
  readonly validAfter: bigint;
  /** ... and no longer valid in this one. */
  readonly validBefore: bigint;
  readonly criticalOptions: readonly CertificateOption[];
  readonly extensions: readonly CertificateOption[];
  /** The CA's key blob. */
  readonly caPublicKey: Buffer;
}

export interface Certificate extends CertificateFields {
  readonly type: CertificateType;
  /** Everything before the signature: what the CA signs. */
  readonly toBeSigned: Buffer;
  /** The SSH signature blob. */
  readonly signature: Buffer;
  readonly blob: Buffer;
}

export const nonceLength = 32;

/** At most so many principals are issued: more are refused, never cut off. */
export const mostPrincipalsIssued = 32;

/** What is said of more, after "The certificate was not made: ". */
export const tooManyPrincipals =
  `it would hold more than ${mostPrincipalsIssued} principals. Ask for fewer roles, or for a certificate that is ` +
  'narrowed to one environment: sally cert ensure --environment PROJECT/ENVIRONMENT';

/** At most so many principals fit in a certificate that OpenSSH reads (SSHKEY_CERT_MAX_PRINCIPALS). */
export const mostPrincipals = 256;

/** From here on a time is not a date but "forever": OpenSSH writes 2^64 - 1, other software 2^63 - 1. */
export const forever = 2n ** 63n - 1n;
