/**
 * Writes certificates, for every type of key by every type of CA. The encoder cannot express what must never be issued:
 * an empty principal list, serial 0, an endless life, a certificate as CA, control characters. It writes the only
 * canonical form of its fields, so that equal fields give equal bytes.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import {
  type CertificateFields,
  type CertificateOption,
  certificateTypeOf,
  forever,
  kindNumbers,
  mostPrincipals,
  nonceLength,
} from './certificate.ts';
import {
  fitsOpenssh,
  isKnownOption,
  isPrintable,
  type OptionList,
  packOptionData,
  unpackOption,
} from './certificate-options.ts';
import { isSecurityKey } from './key-types.ts';
import { isKeyId, isPrincipal } from './names.ts';
import { checkPublicKeyBlob, partsOf, publicKeyLine } from './public-key.ts';
import { signatureAlgorithmInside } from './signature.ts';
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
  [
    ({ principals }) => new Set(principals).size <= mostPrincipals,
    `it would hold more than ${mostPrincipals} principals, which OpenSSH does not read`,
  ],
  [({ validAfter }) => validAfter >= 0n, 'its validity must not start before 1970'],
  [({ validBefore }) => validBefore < forever, 'it must not be valid forever'],
  [({ validAfter, validBefore }) => validAfter < validBefore, 'its validity must start before it ends'],
  [
    ({ criticalOptions }) => criticalOptions.every((option) => isExpressible('critical', option)),
    'a critical option has no good name, control characters, or a value that OpenSSH does not take',
  ],
  [
    ({ extensions }) => extensions.every((option) => isExpressible('extension', option)),
    'an extension has no good name, control characters, or a value that OpenSSH does not take',
  ],
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
    if (!holds(fields)) throw refused(problem);
  }
  checkPublicKeyBlob(fields.caPublicKey);
  const subjectType = checkPublicKeyBlob(fields.publicKey);
  if (fields.criticalOptions.some(({ name }) => name === 'verify-required') && !isSecurityKey(subjectType)) {
    throw refused('verify-required says nothing of a key that is not a security key');
  }
  const writer = new WireWriter().string(certificateTypeOf(subjectType)).string(fields.nonce);
  for (const part of partsOf(fields.publicKey)) writer.string(part);
  return writer
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

/** The whole certificate: the signed bytes and the CA's signature blob, which is not compared with them. @throws signature_invalid */
export function assembleCertificate(toBeSigned: Buffer, signature: Buffer): Buffer {
  signatureAlgorithmInside(signature);
  return new WireWriter().raw(toBeSigned).string(signature).bytes();
}

/** The line of a -cert.pub file, without a line end. */
export function certificateLine(blob: Uint8Array, comment = ''): string {
  return publicKeyLine({ blob, comment });
}

function encodePrincipals(principals: readonly string[]): Buffer {
  const writer = new WireWriter();
  for (const principal of new Set(principals)) writer.string(principal);
  return writer.bytes();
}

function encodeOptions(options: readonly CertificateOption[]): Buffer {
  const writer = new WireWriter();
  for (const option of options.toSorted(byName)) writer.string(option.name).string(packOptionData(option));
  return writer.bytes();
}

function byName(a: CertificateOption, b: CertificateOption): number {
  return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
}

function haveUniqueNames(options: readonly CertificateOption[]): boolean {
  return new Set(options.map(({ name }) => name)).size === options.length;
}

/** Only what the parser gives back as it was: `data` must be needed, and only OpenSSH's unknown options have any. */
function isExpressible(list: OptionList, option: CertificateOption): boolean {
  const { name, value, data } = option;
  if (!/^[!-~]+$/.test(name)) return false;
  if (data !== undefined) return !isKnownOption(list, name) && unpackOption(name, data).data !== undefined;
  return isPrintable(value) && fitsOpenssh(list, option);
}

function refused(problem: string): SallyportError {
  return new SallyportError('certificate_refused', `The certificate was not made: ${problem}.`);
}
