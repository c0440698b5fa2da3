/**
 * Reads certificates, ours and those of other CAs: strictly as a format, without judging what they allow. Who trusts one
 * calls verifyCertificateBy() first. What `ssh-keygen -s` makes is read, so that it can be shown: serial 0, no
 * principals, any printable names, "forever", an end before the start, every option with content that
 * sshd would take. What no CA makes is refused: other forms of a number or a text, options out of order, anything given twice, content in
 * the reserved field, control characters in a name, keys that are not accepted here, weak ones among them.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import { decodeBase64 } from './base64.ts';
import {
  type Certificate,
  type CertificateKind,
  type CertificateOption,
  certificateTypeOf,
  kindNumbers,
  mostPrincipals,
  subjectTypeOf,
} from './certificate.ts';
import { fitsOpenssh, isPrintable, type OptionList, unpackOption } from './certificate-options.ts';
import { keyTypes, type PublicKeyType } from './key-types.ts';
import { checkPublicKeyBlob, isCertificateType } from './public-key.ts';
import { signatureAlgorithmInside } from './signature.ts';
import { WireReader, WireWriter } from './wire.ts';

const noun = 'certificate';

/** The largest certificate that is read, in bytes. 32 principals, our extensions and RSA of 16,384 bits need 13,000. */
const largestCertificate = 65_536;

/**
 * The signature is read to its last byte, and compared with nothing.
 * @throws certificate_malformed, key_type_refused, signature_invalid; for the two keys as checkPublicKeyBlob()
 */
export function parseCertificate(bytes: Uint8Array): Certificate {
  if (bytes.length > largestCertificate) throw malformed(`is larger than ${largestCertificate} bytes`);
  const blob = Buffer.from(bytes);
  const reader = new WireReader(blob, 'certificate_malformed', noun);

  const name = reader.text();
  const subjectType = subjectTypeOf(name);
  if (subjectType === undefined) throw wrongType(name);
  const nonce = reader.string();
  const publicKey = readSubject(reader, subjectType);
  const serial = reader.u64();
  const kind = kindOf(reader.u32());
  const keyId = readName(reader, 'key ID');
  const principals = readPrincipals(reader.string());
  const validAfter = reader.u64();
  const validBefore = reader.u64();
  const criticalOptions = readOptions(reader.string(), 'critical');
  const extensions = readOptions(reader.string(), 'extension');
  if (reader.string().length > 0) throw malformed('has content in its reserved field');
  const caPublicKey = reader.string();
  checkPublicKeyBlob(caPublicKey);
  const toBeSigned = blob.subarray(0, reader.offset);
  const signature = reader.string();
  signatureAlgorithmInside(signature);
  reader.done();

  return {
    type: certificateTypeOf(subjectType),
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

/** The key's parts stand in the certificate as they do in its blob. */
function readSubject(reader: WireReader, type: PublicKeyType): Buffer {
  const writer = new WireWriter().string(type);
  for (let part = 0; part < keyTypes[type].parts; part++) writer.string(reader.string());
  const blob = writer.bytes();
  checkPublicKeyBlob(blob);
  return blob;
}

function readName(reader: WireReader, what: string): string {
  const name = reader.text();
  if (!isPrintable(name)) throw malformed(`holds control characters in its ${what}`);
  return name;
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
    if (principals.length === mostPrincipals) {
      throw malformed(`holds more than ${mostPrincipals} principals`);
    }
    const principal = readName(reader, 'principals');
    // The encoder writes each once; read back and written again, the bytes would be others.
    if (principals.includes(principal)) throw malformed('names a principal twice');
    principals.push(principal);
  }
  return principals;
}

function readOptions(packed: Buffer, list: OptionList): CertificateOption[] {
  const reader = new WireReader(packed, 'certificate_malformed', noun);
  const options: CertificateOption[] = [];
  let before = Buffer.alloc(0);
  while (reader.hasMore) {
    const name = readName(reader, 'options');
    const bytes = Buffer.from(name);
    // Also refuses an empty name, since nothing comes before it.
    if (Buffer.compare(before, bytes) >= 0) throw malformed('holds options out of order or given twice');
    before = bytes;
    const option = unpackOption(name, reader.string());
    if (!fitsOpenssh(list, option)) throw malformed(`holds ${name} with content that sshd refuses`);
    options.push(option);
  }
  return options;
}

function wrongType(type: string): SallyportError {
  if (!isCertificateType(type)) return malformed('is not a certificate');
  return new SallyportError('key_type_refused', 'Certificates of this type are not known here.');
}

function malformed(problem: string): SallyportError {
  return new SallyportError('certificate_malformed', `The certificate ${problem}.`);
}
