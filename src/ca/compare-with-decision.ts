/**
 * Bytes to be signed, held against the decision that they are to express. The linter knows what any certificate may say;
 * this knows what this one must say. It reads the bytes field by field, in the order of PROTOCOL.certkeys, and shares
 * neither the encoder's code nor the parser's, only the reader of the wire format.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import {
  type CertificateFields,
  type CertificateOption,
  certificateTypeOf,
  kindNumbers,
} from '../ssh/certificate.ts';
import { checkPublicKeyBlob } from '../ssh/public-key.ts';
import { WireReader } from '../ssh/wire.ts';

/**
 * Throws unless the bytes say exactly what was decided: nothing else, nothing more, nothing less.
 * @throws certificate_refused; for the decided key as checkPublicKeyBlob()
 */
export function compareWithDecision(toBeSigned: Buffer, decided: CertificateFields): void {
  const reader = readerOf(toBeSigned);
  const agree = (field: string, holds: boolean) => {
    if (!holds) throw refused(field);
  };
  agree('type', reader.text() === certificateTypeOf(checkPublicKeyBlob(decided.publicKey)));
  agree('nonce', reader.string().equals(decided.nonce));
  for (const part of keyParts(decided.publicKey)) agree('public key', reader.string().equals(part));
  agree('serial', reader.u64() === decided.serial);
  agree('kind', reader.u32() === kindNumbers[decided.kind]);
  agree('key ID', reader.text() === decided.keyId);
  agree('principals', sameList(readPrincipals(reader.string()), [...new Set(decided.principals)]));
  agree('start', reader.u64() === decided.validAfter);
  agree('end', reader.u64() === decided.validBefore);
  agree('critical options', sameList(readOptions(reader.string()), expected(decided.criticalOptions)));
  agree('extensions', sameList(readOptions(reader.string()), expected(decided.extensions)));
  agree('reserved field', reader.string().length === 0);
  agree('CA key', reader.string().equals(decided.caPublicKey));
  agree('length', !reader.hasMore);
}

/** Everything in a key's blob after its type: a certificate holds it in the same form. */
function keyParts(blob: Buffer): Buffer[] {
  const reader = readerOf(blob);
  reader.text();
  const parts: Buffer[] = [];
  while (reader.hasMore) parts.push(reader.string());
  return parts;
}

function readPrincipals(packed: Buffer): string[] {
  const reader = readerOf(packed);
  const principals: string[] = [];
  while (reader.hasMore) principals.push(reader.text());
  return principals;
}

/** Each option as text, its name and its data in hexadecimal, in the order of the bytes. */
function readOptions(packed: Buffer): string[] {
  const reader = readerOf(packed);
  const options: string[] = [];
  while (reader.hasMore) options.push(`${reader.text()} ${reader.string().toString('hex')}`);
  return options;
}

/** The same of what was decided; the format demands the order of names. */
function expected(options: readonly CertificateOption[]): string[] {
  return options
    .map((option) => ({ name: Buffer.from(option.name), data: dataOf(option) }))
    .sort((a, b) => Buffer.compare(a.name, b.name))
    .map(({ name, data }) => `${name} ${data.toString('hex')}`);
}

/** A value is a string inside the string; a flag has no data. */
function dataOf({ value, data }: CertificateOption): Buffer {
  if (data !== undefined) return data;
  if (value === '') return Buffer.alloc(0);
  const bytes = Buffer.from(value, 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function sameList(read: readonly string[], decided: readonly string[]): boolean {
  return read.length === decided.length && read.every((one, index) => one === decided[index]);
}

function readerOf(bytes: Buffer): WireReader {
  return new WireReader(bytes, 'certificate_refused', 'content of the certificate');
}

function refused(field: string): SallyportError {
  return new SallyportError(
    'certificate_refused',
    `The certificate was not signed: it would not have the decided ${field}. The fault is the server's; tell whoever runs it.`,
  );
}
