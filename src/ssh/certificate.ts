/**
 * OpenSSH certificates (PROTOCOL.certkeys), for Ed25519 subjects and Ed25519 CAs. The files beside this one encode,
 * parse and verify them, and lint the bytes that are about to be signed.
 */
export const certificateType = 'ssh-ed25519-cert-v01@openssh.com';

export type CertificateKind = 'user' | 'host';

/** SSH_CERT_TYPE_USER and SSH_CERT_TYPE_HOST. */
export const kindNumbers: Readonly<Record<CertificateKind, number>> = { user: 1, host: 2 };

/** A critical option or an extension. An empty value makes a flag: no data at all. */
export interface CertificateOption {
  readonly name: string;
  readonly value: string;
}

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
  readonly type: typeof certificateType;
  /** Everything before the signature: what the CA signs. */
  readonly toBeSigned: Buffer;
  /** The 64 bytes of the Ed25519 signature. */
  readonly signature: Buffer;
  readonly blob: Buffer;
}

export const nonceLength = 32;

/** At most so many principals are issued: more are refused, never cut off. */
export const mostPrincipalsIssued = 32;

/** What is said of more, after "The certificate was not made: ". */
export const tooManyPrincipals =
  `it would hold more than ${mostPrincipalsIssued} principals. Ask for fewer roles, or for a certificate that is ` +
  'narrowed to one environment';

/** At most so many principals are read, as in OpenSSH (SSHKEY_CERT_MAX_PRINCIPALS). */
export const mostPrincipalsParsed = 256;

/** From here on a time is not a date but "forever": OpenSSH writes 2^64 - 1, other software 2^63 - 1. */
export const forever = 2n ** 63n - 1n;
