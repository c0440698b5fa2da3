/**
 * Reads revocation lists before sshd does, and answers as sshd would. sshd takes an empty, blank or header-only file
 * for "nothing is revoked" and locks everybody out over most other damage; here both are refused, and so is everything
 * that versions of sshd differ about: signatures, extensions, unknown sections.
 * A list cut exactly between two sections is still a list: only the signature beside the file, or a look-up of a serial
 * known to be revoked in each section, can tell.
 */
import { createHash } from 'node:crypto';
import type { Certificate } from './certificate.ts';
import { krlFormatVersion, krlMagic } from './krl-format.ts';
import { type ParsedSections, readSections } from './parse-krl-sections.ts';
import { namesSerial } from './parse-krl-serials.ts';
import { WireReader } from './wire.ts';

export interface ParsedKrl extends ParsedSections {
  readonly version: bigint;
  /** Unix seconds. */
  readonly generatedAt: bigint;
  readonly comment: string;
}

/** Takes memory in proportion to the file, whatever it claims. @throws krl_malformed */
export function parseKrl(bytes: Uint8Array): ParsedKrl {
  const reader = new WireReader(bytes, 'krl_malformed', 'revocation list');
  if (reader.u64() !== krlMagic) throw reader.error('does not start like one');
  if (reader.u32() !== krlFormatVersion) throw reader.error('is of a format version that is not known');
  const version = reader.u64();
  const generatedAt = reader.u64();
  if (reader.u64() !== 0n) throw reader.error('has flags that are not known');
  if (reader.string().length > 0) throw reader.error('has content in its reserved field');
  const comment = reader.text();
  return { version, generatedAt, comment, ...readSections(reader) };
}

/** Whether the list revokes this serial of this CA. Serial 0 can't be revoked. */
export function isRevoked(krl: ParsedKrl, caPublicKey: Buffer, serial: bigint): boolean {
  return sectionsFor(krl, caPublicKey).some((section) => namesSerial(section, serial));
}

/** Whether the list revokes this public key, as it is or by its hash; for a CA that is everything it signed. */
export function isKeyRevoked({ keys, sha1, sha256 }: ParsedKrl, blob: Buffer): boolean {
  const hash = (name: string) => createHash(name).update(blob).digest('hex');
  return (
    (keys.size > 0 && keys.has(blob.toString('hex'))) ||
    (sha1.size > 0 && sha1.has(hash('sha1'))) ||
    (sha256.size > 0 && sha256.has(hash('sha256')))
  );
}

/** All that sshd asks of the list at a login: the key, its CA's key, the serial and the key ID. */
export function isCertificateRevoked(
  krl: ParsedKrl,
  certificate: Pick<Certificate, 'publicKey' | 'caPublicKey' | 'serial' | 'keyId'>,
): boolean {
  const { publicKey, caPublicKey, serial, keyId } = certificate;
  return (
    isKeyRevoked(krl, publicKey) ||
    isKeyRevoked(krl, caPublicKey) ||
    isRevoked(krl, caPublicKey, serial) ||
    sectionsFor(krl, caPublicKey).some(({ keyIds }) => keyIds.has(keyId))
  );
}

function sectionsFor({ sections }: ParsedKrl, authority: Buffer): ParsedSections['sections'] {
  return sections.filter(({ caPublicKey }) => caPublicKey === null || caPublicKey.equals(authority));
}
