/**
 * Reads a certificate in order to show it, whatever is wrong with it: what parseCertificate() refuses is what somebody
 * wants to look at. Only the lengths must be right. Nothing that was read here may be believed: texts are bytes, the
 * keys are unchecked, and so is the signature.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import { subjectTypeOf } from './certificate.ts';
import { keyTypes } from './key-types.ts';
import { isCertificateType } from './public-key.ts';
import { WireReader, WireWriter } from './wire.ts';

export interface OptionReading {
  readonly name: Buffer;
  readonly data: Buffer;
}

/** The fields in the order of OpenSSH's PROTOCOL.certkeys. */
export interface CertificateReading {
  readonly type: string;
  readonly nonce: Buffer;
  /** The subject's key blob. */
  readonly publicKey: Buffer;
  readonly serial: bigint;
  /** 1 for users, 2 for hosts; nothing else has a meaning. */
  readonly kind: number;
  readonly keyId: Buffer;
  readonly principals: readonly Buffer[];
  /** Unix seconds. */
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly criticalOptions: readonly OptionReading[];
  readonly extensions: readonly OptionReading[];
  readonly reserved: Buffer;
  readonly caPublicKey: Buffer;
  /** Everything before the signature. */
  readonly toBeSigned: Buffer;
  /** The signature blob. */
  readonly signature: Buffer;
}

/** Types that are never issued or accepted here, and how many strings their keys have after the name. */
const otherTypes: ReadonlyMap<string, { keyType: string; parts: number }> = new Map([
  ['ssh-dss-cert-v01@openssh.com', { keyType: 'ssh-dss', parts: 4 }],
]);

/** @throws certificate_malformed where the lengths do not fit; key_type_refused for a type that is not known at all */
export function readCertificate(blob: Uint8Array): CertificateReading {
  const bytes = Buffer.from(blob);
  const reader = readerOf(bytes);
  const type = reader.text();
  const { keyType, parts } = subjectOf(type);
  const nonce = reader.string();
  const subject = new WireWriter().string(keyType);
  for (let part = 0; part < parts; part++) subject.string(reader.string());
  const fields = {
    type,
    nonce,
    publicKey: subject.bytes(),
    serial: reader.u64(),
    kind: reader.u32(),
    keyId: reader.string(),
    principals: readAll(reader.string(), (list) => list.string()),
    validAfter: reader.u64(),
    validBefore: reader.u64(),
    criticalOptions: readAll(reader.string(), readOption),
    extensions: readAll(reader.string(), readOption),
    reserved: reader.string(),
    caPublicKey: reader.string(),
  };
  const toBeSigned = bytes.subarray(0, reader.offset);
  const signature = reader.string();
  reader.done();
  return { ...fields, toBeSigned, signature };
}

/** The one text that an option's data holds (a string inside the string), or undefined. */
export function optionText(data: Buffer): string | undefined {
  try {
    const reader = readerOf(data);
    const text = reader.text();
    reader.done();
    return text;
  } catch {
    return undefined;
  }
}

function subjectOf(type: string): { keyType: string; parts: number } {
  const keyType = subjectTypeOf(type);
  if (keyType !== undefined) return { keyType, parts: keyTypes[keyType].parts };
  const other = otherTypes.get(type);
  if (other !== undefined) return other;
  throw isCertificateType(type)
    ? new SallyportError('key_type_refused', 'Certificates of this type are not known here.')
    : new SallyportError('certificate_malformed', 'The certificate is not one.');
}

function readOption(list: WireReader): OptionReading {
  return { name: list.string(), data: list.string() };
}

function readAll<Item>(packed: Buffer, readItem: (list: WireReader) => Item): Item[] {
  const list = readerOf(packed);
  const items: Item[] = [];
  while (list.hasMore) items.push(readItem(list));
  return items;
}

function readerOf(bytes: Buffer): WireReader {
  return new WireReader(bytes, 'certificate_malformed', 'certificate');
}
