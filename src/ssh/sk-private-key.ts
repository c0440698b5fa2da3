/**
 * The private key file of a security key (PROTOCOL.u2f, "SSH U2F Key formats"): a handle that is good with the very key
 * that has made it, and how that is to be asked.
 */
import { isSecurityKey } from './key-types.ts';
import { unarmor } from './pem.ts';
import { checkPublicKeyBlob } from './public-key.ts';
import { WireReader } from './wire.ts';

export interface SecurityKeyFile {
  /** SSH public key blob. */
  readonly publicKey: Buffer;
  /** Whether each use asks for a PIN or a finger. */
  readonly asksVerification: boolean;
}

const magic = 'openssh-key-v1\0';
const verificationFlag = 0x04;

/** Undefined for every other file, and one with a passphrase. @throws key_malformed for one that is broken off */
export function readSecurityKeyFile(text: string): SecurityKeyFile | undefined {
  const bytes = unarmor('OPENSSH PRIVATE KEY', text);
  if (bytes === undefined) return undefined;
  const reader = new WireReader(bytes, 'key_malformed', 'private key');
  if (reader.raw(magic.length).toString('latin1') !== magic) return undefined;
  const [cipher] = [reader.text(), reader.text(), reader.string()];
  if (cipher !== 'none' || reader.u32() !== 1) return undefined;
  const publicKey = reader.string();
  const type = checkPublicKeyBlob(publicKey);
  if (!isSecurityKey(type)) return undefined;

  const secret = new WireReader(reader.string(), 'key_malformed', 'private key');
  secret.raw(8); // the check numbers
  // The public key once more, part by part.
  secret.raw(publicKey.length);
  const flags = secret.u8();
  return { publicKey: Buffer.from(publicKey), asksVerification: (flags & verificationFlag) !== 0 };
}
