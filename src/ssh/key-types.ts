/**
 * The public key types that are accepted: their names and what the formats need to know of each. Every part of a key
 * after the type's name is one string on the wire (an mpint is one, too), so a count is all it takes to find where a
 * key ends inside a certificate.
 */
export type PublicKeyType =
  | 'ssh-ed25519'
  | 'ecdsa-sha2-nistp256'
  | 'ecdsa-sha2-nistp384'
  | 'ecdsa-sha2-nistp521'
  | 'ssh-rsa'
  | 'sk-ssh-ed25519@openssh.com'
  | 'sk-ecdsa-sha2-nistp256@openssh.com'
  | 'ssh-mldsa44-ed25519@openssh.com';

interface KeyTypeRow {
  /** How many strings follow the type's name. */
  readonly parts: number;
  /** What `ssh-keygen -l` calls it. */
  readonly label: string;
  /** Its size there; an RSA key's is its modulus'. */
  readonly bits?: number;
}

export const keyTypes: Readonly<Record<PublicKeyType, KeyTypeRow>> = {
  'ssh-ed25519': { parts: 1, label: 'ED25519', bits: 256 },
  'ecdsa-sha2-nistp256': { parts: 2, label: 'ECDSA', bits: 256 },
  'ecdsa-sha2-nistp384': { parts: 2, label: 'ECDSA', bits: 384 },
  'ecdsa-sha2-nistp521': { parts: 2, label: 'ECDSA', bits: 521 },
  'ssh-rsa': { parts: 2, label: 'RSA' },
  'sk-ssh-ed25519@openssh.com': { parts: 2, label: 'ED25519-SK', bits: 256 },
  'sk-ecdsa-sha2-nistp256@openssh.com': { parts: 3, label: 'ECDSA-SK', bits: 256 },
  'ssh-mldsa44-ed25519@openssh.com': { parts: 1, label: 'MLDSA44-ED25519', bits: 256 },
};

export function isPublicKeyType(name: string): name is PublicKeyType {
  return Object.hasOwn(keyTypes, name);
}

/** Whether the private key is in a security key (FIDO), which says in each signature whether it was touched. */
export function isSecurityKey(type: PublicKeyType): boolean {
  return type.startsWith('sk-');
}
