/**
 * A security key in software, since no test can touch a real one: it makes keys with attestations and signs with them, as
 * CTAP 2.1 and OpenSSH's PROTOCOL.u2f say, and counts how often somebody would have had to touch it.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { partsOf, publicKeyBlobOf } from '../../src/ssh/public-key.ts';
import { securityKeyBlob } from '../../src/ssh/sk-authenticator-data.ts';
import { WireWriter } from '../../src/ssh/wire.ts';
import { AttestingMaker, type IssuedCertificate } from './attesting-maker.ts';

export const flags = { userPresent: 0x01, userVerified: 0x04, resident: 0x20 };

export interface AuthenticatorWishes {
  readonly maker?: AttestingMaker;
  readonly model?: string;
  readonly certificate?: IssuedCertificate;
  /** Whether it asks for a PIN or a finger where it is told to. */
  readonly verifies?: boolean;
  /** A U2F token: ECDSA alone, no model. */
  readonly isU2f?: boolean;
}

export interface MadeKey {
  readonly handle: Buffer;
  /** As libfido2 gives it: 32 bytes, or a point of 65. */
  readonly publicKey: Buffer;
  /** SSH public key blob. */
  readonly blob: Buffer;
  readonly signature: Buffer;
  readonly certificate: Buffer;
  /** A CBOR byte string. */
  readonly authenticatorData: Buffer;
}

export const sampleModel = 'ee882879-721c-4913-9775-3dfcce97072a';

export class SoftwareAuthenticator {
  touches = 0;
  residentKeys = 0;
  /** Whether it asks for a PIN or a finger where it is told to. */
  verifies: boolean;
  readonly maker: AttestingMaker;
  readonly model: string;
  readonly #certificate: IssuedCertificate;
  readonly #isU2f: boolean;
  readonly #keys = new Map<string, KeyObject>();
  #counter = 0;

  constructor({
    maker = new AttestingMaker(),
    verifies = true,
    isU2f = false,
    ...wishes
  }: AuthenticatorWishes = {}) {
    this.maker = maker;
    this.model = isU2f ? '00000000-0000-0000-0000-000000000000' : (wishes.model ?? sampleModel);
    this.#certificate = wishes.certificate ?? maker.modelCertificate(this.model);
    this.verifies = verifies;
    this.#isU2f = isU2f;
  }

  /** Undefined: it knows no such algorithm. */
  make(asked: {
    readonly ed25519: boolean;
    readonly challenge: string | Buffer;
    readonly application: string;
    readonly flags: number;
  }): MadeKey | undefined {
    const { ed25519, challenge, application } = asked;
    if (ed25519 && this.#isU2f) return undefined;
    this.touches += 1;
    if ((asked.flags & flags.resident) !== 0) this.residentKeys += 1;
    const verified = this.#verifiedFlag(asked.flags);
    const { privateKey } = ed25519
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const handle = sha256(`${this.#keys.size} ${Math.random()}`);
    this.#keys.set(handle.toString('hex'), privateKey);
    const { coordinates, cose } = publicParts(privateKey);
    const data = Buffer.concat([
      sha256(application),
      Buffer.of(flags.userPresent | verified | 0x40),
      u32(this.#counter),
      Buffer.from(this.model.replaceAll('-', ''), 'hex'),
      Buffer.of(0, handle.length),
      handle,
      cose,
    ]);
    const hash = sha256(challenge);
    const point = Buffer.concat([Buffer.of(4), ...coordinates]);
    const signed = this.#isU2f
      ? Buffer.concat([Buffer.of(0), sha256(application), hash, handle, point])
      : Buffer.concat([data, hash]);
    const type = ed25519 ? 'sk-ssh-ed25519@openssh.com' : 'sk-ecdsa-sha2-nistp256@openssh.com';
    return {
      handle,
      publicKey: ed25519 ? (coordinates[0] ?? data) : point,
      blob: securityKeyBlob({ type, keyParts: partsOf(publicKeyBlobOf(privateKey)) }, application),
      signature: sign('sha256', signed, this.#certificate.privateKey),
      certificate: this.#certificate.der,
      authenticatorData: Buffer.concat([Buffer.of(0x58, data.length), data]),
    };
  }

  /** PROTOCOL.u2f, "SSH U2F signatures": what is signed, with the flags and the counter in it. */
  sign(asked: {
    readonly handle: Buffer;
    readonly data: Buffer;
    readonly application: string;
    readonly flags: number;
  }): { flags: number; counter: number; signature: Buffer } | undefined {
    const key = this.#keys.get(asked.handle.toString('hex'));
    if (key === undefined) return undefined;
    const present = asked.flags & flags.userPresent;
    this.touches += present;
    this.#counter += 1;
    const said = present | this.#verifiedFlag(asked.flags);
    const message = Buffer.concat([
      sha256(asked.application),
      Buffer.of(said),
      u32(this.#counter),
      sha256(asked.data),
    ]);
    const isEd25519 = key.asymmetricKeyType === 'ed25519';
    const signature = sign(isEd25519 ? null : 'sha256', message, { key, dsaEncoding: 'ieee-p1363' });
    return { flags: said, counter: this.#counter, signature };
  }

  #verifiedFlag(asked: number): number {
    const wanted = asked & flags.userVerified;
    if (wanted === 0 || !this.verifies) return 0;
    return wanted;
  }
}

/** What `ssh-keygen -O write-attestation` writes. */
export function attestationDocument({ certificate, signature, authenticatorData }: MadeKey): Buffer {
  return new WireWriter()
    .string('ssh-sk-attest-v01')
    .string(certificate)
    .string(signature)
    .string(authenticatorData)
    .u32(0)
    .string('')
    .bytes();
}

/** The coordinates, and the COSE key of them (RFC 9053 section 7). */
function publicParts(privateKey: KeyObject): { coordinates: Buffer[]; cose: Buffer } {
  const { x = '', y } = privateKey.export({ format: 'jwk' });
  const coordinates = [x, ...(y === undefined ? [] : [y])].map((text) => Buffer.from(text, 'base64url'));
  const head = y === undefined ? 'a4010103272006' : 'a5010203262001';
  const members = coordinates.map((bytes, at) => Buffer.concat([Buffer.of(0x21 + at, 0x58, 32), bytes]));
  return { coordinates, cose: Buffer.concat([Buffer.from(head, 'hex'), ...members]) };
}

function sha256(bytes: string | Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
