/**
 * Reads certificates: strictly as a format (every byte is accounted for), without judging their content. Who trusts
 * one calls verifyCertificateBy() first.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import { decodeBase64 } from './base64.ts';
import {
  type Certificate,
  type CertificateKind,
  type CertificateOption,
  certificateType,
  kindNumbers,
  mostPrincipalsParsed,
} from './certificate.ts';
import { acceptedKeyType } from './key-types.ts';
import { checkPublicKeyBlob, ed25519PublicKeyBlob, isCertificateType } from './public-key.ts';
import { WireReader } from './wire.ts';

const noun = 'certificate';

/** The largest certificate that is read, in bytes. 32 principals and our extensions need about 6,000. */
const largestCertificate = 65_536;

/** @throws certificate_malformed, key_type_refused; for the two keys as checkPublicKeyBlob() */
export function parseCertificate(bytes: Uint8Array): Certificate {
  if (bytes.length > largestCertificate) throw malformed(`is larger than ${largestCertificate} bytes`);
  const blob = Buffer.from(bytes);
  const reader = new WireReader(blob, 'certificate_malformed', noun);

  const type = reader.text();
  if (type !== certificateType) throw wrongType(type);
  const nonce = reader.string();
  const publicKey = ed25519PublicKeyBlob(reader.string());
  const serial = reader.u64();
  const kind = kindOf(reader.u32());
  const keyId = reader.text();
  const principals = readPrincipals(reader.string());
  const validAfter = reader.u64();
  const validBefore = reader.u64();
  const criticalOptions = readOptions(reader.string());
  const extensions = readOptions(reader.string());
  if (reader.string().length > 0) throw malformed('has content in its reserved field');
  const caPublicKey = reader.string();
  checkPublicKeyBlob(caPublicKey);
  const toBeSigned = blob.subarray(0, reader.offset);
  const signature = readSignature(reader.string());
  reader.done();

  return {
    type,
    nonce,
    publicKey,
    serial,
    kind,
    keyId,
    principals,
    validAfter,
    validBefore,
    criticalOptions,
    extensions,
    caPublicKey,
    toBeSigned,
    signature,
    blob,
  };
}

/** Reads ONE line "type base64 [comment]" of a -cert.pub file; one line end may follow. @throws as parseCertificate() */
export function parseCertificateLine(line: string): Certificate {
  if (line.length > 2 * largestCertificate) throw malformed('is too long');
  const text = line.replace(/\r?\n$/, '');
  if (/\p{C}/u.test(text)) throw malformed('has more than one line, or control characters');
  const [type = '', base64 = ''] = text.split(/ +/);
  const blob = decodeBase64(base64);
  if (blob === undefined || blob.length === 0) throw malformed('is not "type base64 comment"');
  const certificate = parseCertificate(blob);
  if (certificate.type !== type) throw malformed('names one type on the line and another inside');
  return certificate;
}

function kindOf(number: number): CertificateKind {
  if (number === kindNumbers.user) return 'user';
  if (number === kindNumbers.host) return 'host';
  throw malformed('is neither a user nor a host certificate');
}

function readPrincipals(packed: Buffer): string[] {
  const reader = new WireReader(packed, 'certificate_malformed', noun);
  const principals: string[] = [];
  while (reader.hasMore) {
    if (principals.length === mostPrincipalsParsed) {
      throw malformed(`holds more than ${mostPrincipalsParsed} principals`);
    }
    principals.push(reader.text());
  }
  return principals;
}

function readOptions(packed: Buffer): CertificateOption[] {
  const reader = new WireReader(packed, 'certificate_malformed', noun);
  const options = new Map<string, CertificateOption>();
  while (reader.hasMore) {
    const name = reader.text();
    if (options.has(name)) throw malformed('holds an option twice');
    options.set(name, { name, value: readOptionValue(reader.string()) });
  }
  return [...options.values()];
}

/** A flag has no data; anything else is one string, packed once more. */
function readOptionValue(data: Buffer): string {
  if (data.length === 0) return '';
  const reader = new WireReader(data, 'certificate_malformed', noun);
  const value = reader.text();
  reader.done();
  if (value === '') throw malformed('holds an option with an empty value');
  return value;
}

function readSignature(packed: Buffer): Buffer {
  const reader = new WireReader(packed, 'certificate_malformed', noun);
  const type = reader.text();
  const signature = reader.string();
  reader.done();
  if (type !== acceptedKeyType || signature.length !== 64) throw malformed('has no Ed25519 signature');
  return signature;
}

function wrongType(type: string): SallyportError {
  if (!isCertificateType(type)) return malformed('is not a certificate');
  return new SallyportError('key_type_refused', `Only ${certificateType} certificates are read here.`);
}

function malformed(problem: string): SallyportError {
  return new SallyportError('certificate_malformed', `The certificate ${problem}.`);
}
