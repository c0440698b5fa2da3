/**
 * Writes certificates. The encoder cannot express what must never be issued: an empty principal list, serial 0, an
 * endless life. It writes the only canonical form of its fields, so that equal fields give equal bytes.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import {
  type CertificateFields,
  type CertificateOption,
  certificateType,
  forever,
  kindNumbers,
  mostPrincipalsIssued,
  nonceLength,
  tooManyPrincipals,
} from './certificate.ts';
import { acceptedKeyType } from './key-types.ts';
import { isKeyId, isPrincipal } from './names.ts';
import { checkPublicKeyBlob, ed25519RawKey, publicKeyLine } from './public-key.ts';
import { WireWriter } from './wire.ts';

const largestU64 = 2n ** 64n - 1n;

/** What must hold of the fields, in the order of the format, and what is said if it does not. */
const requirements: readonly [holds: (fields: CertificateFields) => boolean, problem: string][] = [
  [({ nonce }) => nonce.length === nonceLength, 'its nonce must be 32 bytes'],
  [({ serial }) => serial > 0n, 'its serial must be above 0: a revocation list cannot name serial 0'],
  [({ serial }) => serial <= largestU64, 'its serial must be below 2^64'],
  [({ keyId }) => isKeyId(keyId), 'its key ID must be 1 to 128 characters of a-z 0-9 . _ @ + / -'],
  [
    ({ principals }) => principals.length > 0,
    'it needs a principal: without any, old sshd lets it be everybody',
  ],
  [({ principals }) => principals.every(isPrincipal), 'a principal is not a valid name'],
  [({ principals }) => new Set(principals).size <= mostPrincipalsIssued, tooManyPrincipals],
  [({ validAfter }) => validAfter >= 0n, 'its validity must not start before 1970'],
  [({ validBefore }) => validBefore < forever, 'it must not be valid forever'],
  [({ validAfter, validBefore }) => validAfter < validBefore, 'its validity must start before it ends'],
  [
    ({ criticalOptions }) => criticalOptions.every(isPlain),
    'a critical option is empty or has control characters',
  ],
  [({ extensions }) => extensions.every(isPlain), 'an extension is empty or has control characters'],
  [({ criticalOptions }) => haveUniqueNames(criticalOptions), 'a critical option is given twice'],
  [({ extensions }) => haveUniqueNames(extensions), 'an extension is given twice'],
];

/**
 * The bytes for the CA to sign. Options are sorted by name, as the format demands; principals keep their order and
 * repeated ones collapse.
 * @throws certificate_refused; for the two keys as checkPublicKeyBlob()
 */
export function encodeToBeSigned(fields: CertificateFields): Buffer {
  for (const [holds, problem] of requirements) {
    if (!holds(fields)) {
      throw new SallyportError('certificate_refused', `The certificate was not made: ${problem}.`);
    }
  }
  checkPublicKeyBlob(fields.caPublicKey);
  return new WireWriter()
    .string(certificateType)
    .string(fields.nonce)
    .string(ed25519RawKey(fields.publicKey))
    .u64(fields.serial)
    .u32(kindNumbers[fields.kind])
    .string(fields.keyId)
    .string(encodePrincipals(fields.principals))
    .u64(fields.validAfter)
    .u64(fields.validBefore)
    .string(encodeOptions(fields.criticalOptions))
    .string(encodeOptions(fields.extensions))
    .string('') // reserved
    .string(fields.caPublicKey)
    .bytes();
}

/** The whole certificate: the signed bytes and the CA's raw Ed25519 signature. @throws signature_invalid */
export function assembleCertificate(toBeSigned: Buffer, signature: Buffer): Buffer {
  if (signature.length !== 64) {
    throw new SallyportError(
      'signature_invalid',
      'An Ed25519 signature is 64 bytes long; the signer gave another length.',
    );
  }
  const signatureBlob = new WireWriter().string(acceptedKeyType).string(signature).bytes();
  return new WireWriter().raw(toBeSigned).string(signatureBlob).bytes();
}

/** The line of a -cert.pub file, without a line end. */
export function certificateLine(blob: Uint8Array, comment = ''): string {
  return publicKeyLine({ type: certificateType, blob, comment });
}

function encodePrincipals(principals: readonly string[]): Buffer {
  const writer = new WireWriter();
  for (const principal of new Set(principals)) writer.string(principal);
  return writer.bytes();
}

function encodeOptions(options: readonly CertificateOption[]): Buffer {
  const writer = new WireWriter();
  for (const { name, value } of options.toSorted(byName)) {
    writer.string(name).string(value === '' ? '' : new WireWriter().string(value).bytes());
  }
  return writer.bytes();
}

function byName(a: CertificateOption, b: CertificateOption): number {
  return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
}

function haveUniqueNames(options: readonly CertificateOption[]): boolean {
  return new Set(options.map(({ name }) => name)).size === options.length;
}

function isPlain({ name, value }: CertificateOption): boolean {
  return /^[!-~]+$/.test(name) && !/\p{C}/u.test(value);
}
