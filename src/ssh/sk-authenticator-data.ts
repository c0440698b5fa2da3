/**
 * What an authenticator says of a key that it has just made (WebAuthn level 3 section 6.1, "Authenticator Data", with
 * section 6.5.1): for which application, how it was asked, which model it is, and the public key.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import { type CborValue, readCbor } from './cbor.ts';
import type { PublicKeyType } from './key-types.ts';
import { WireReader, WireWriter } from './wire.ts';

export interface AuthenticatorData {
  /** SHA-256 of the application. */
  readonly applicationHash: Buffer;
  readonly userPresent: boolean;
  /** The model's AAGUID, as FIDO metadata writes it; all zero for a U2F token, which has none. */
  readonly model: string;
  readonly credentialId: Buffer;
  readonly type: PublicKeyType;
  /** What stands in an SSH key blob between the type's name and the application. */
  readonly keyParts: readonly Buffer[];
}

const flagBits = { userPresent: 0x01, attested: 0x40, extensions: 0x80 };

/** @throws attestation_refused */
export function parseAuthenticatorData(bytes: Uint8Array): AuthenticatorData {
  const reader = new WireReader(bytes, 'attestation_refused', 'authenticator data');
  const applicationHash = Buffer.from(reader.raw(32));
  const flags = reader.u8();
  reader.u32(); // the signature counter
  if ((flags & flagBits.attested) === 0) throw reader.error('names no key');
  const model = uuidText(reader.raw(16));
  const credentialId = Buffer.from(reader.raw(reader.raw(2).readUInt16BE()));
  const key = keyOf(readCbor(reader));
  // Of CTAP, such as credProtect.
  if ((flags & flagBits.extensions) !== 0) readCbor(reader);
  reader.done();
  return {
    applicationHash,
    userPresent: (flags & flagBits.userPresent) !== 0,
    model,
    credentialId,
    ...key,
  };
}

/** RFC 9052 section 7 and RFC 9053 section 7: the names of a COSE key's members, and what stands in them. */
const cose = { kind: 1, algorithm: 3, curve: -1, x: -2, y: -3 } as const;

function keyOf(value: CborValue): Pick<AuthenticatorData, 'type' | 'keyParts'> {
  const member = (name: number) => (value instanceof Map ? value.get(name) : undefined);
  const [kind, algorithm, curve] = [member(cose.kind), member(cose.algorithm), member(cose.curve)];
  const [x, y] = [member(cose.x), member(cose.y)];
  if (kind === 1 && algorithm === -8 && curve === 6 && isCoordinate(x)) {
    return { type: 'sk-ssh-ed25519@openssh.com', keyParts: [x] };
  }
  if (kind === 2 && algorithm === -7 && curve === 1 && isCoordinate(x) && isCoordinate(y)) {
    const point = Buffer.concat([Buffer.of(4), x, y]);
    return { type: 'sk-ecdsa-sha2-nistp256@openssh.com', keyParts: [Buffer.from('nistp256'), point] };
  }
  throw new SallyportError(
    'attestation_refused',
    'The authenticator data names a key that is neither Ed25519 nor ECDSA on P-256.',
  );
}

function isCoordinate(value: CborValue | undefined): value is Buffer {
  return value instanceof Buffer && value.length === 32;
}

/** The SSH key blob of what was made, for an application (PROTOCOL.u2f). */
export function securityKeyBlob(
  { type, keyParts }: Pick<AuthenticatorData, 'type' | 'keyParts'>,
  application: string,
): Buffer {
  const writer = new WireWriter().string(type);
  for (const part of keyParts) writer.string(part);
  return writer.string(application).bytes();
}

function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
