/** A certificate, decoded. Pure. */
import { isSallyportError } from '../../errors/sallyport-error.ts';
import { kindNumbers } from '../../ssh/certificate.ts';
import { canaryPrincipal, isHopPrincipal, splitKeyId } from '../../ssh/names.ts';
import {
  type CertificateReading,
  type OptionReading,
  optionText,
  readCertificate,
} from '../../ssh/read-certificate.ts';
import { verifySignature } from '../../ssh/signature.ts';
import { WireReader } from '../../ssh/wire.ts';
import { certificateWarnings } from './certificate-warnings.ts';
import type { CertificateDocument, ClaimsDocument, OptionDocument } from './documents.ts';
import { keyFacts } from './key-document.ts';
import { criticalOptionMeanings, documentMeanings, extensionMeanings, principalMeaning } from './meanings.ts';
import { calendarSeconds } from './moment.ts';
import { textOf } from './text-of.ts';

export type Place = Pick<CertificateDocument, 'line' | 'before' | 'comment'>;

/** @throws certificate_malformed, key_type_refused if the bytes can't be read as a certificate at all */
export function certificateDocument(blob: Buffer, place: Place, nowSeconds: number): CertificateDocument {
  const reading = readCertificate(blob);
  const keyId = textOf(reading.keyId);
  const named = splitKeyId(keyId);
  const isHost = reading.kind === kindNumbers.host;
  const signatureProblem = problemOfSignature(reading);
  const extensions = reading.extensions.map((option) => optionDocument(option, extensionMeaning));
  const document = {
    kind: 'certificate',
    ...place,
    purpose: purposeOf(reading),
    type: reading.type,
    public_key: keyFacts(reading.publicKey),
    signed_by: {
      ...keyFacts(reading.caPublicKey),
      signature_algorithm: algorithmOf(reading.signature),
      signature_valid: signatureProblem === null,
    },
    key_id: keyId,
    account: named?.account ?? null,
    session_id: named?.sessionId ?? null,
    serial: String(reading.serial),
    valid_after: reading.validAfter === 0n ? null : calendarSeconds(reading.validAfter),
    valid_before: calendarSeconds(reading.validBefore),
    validity: validityOf(reading, BigInt(nowSeconds)),
    principals: reading.principals.map((bytes) => {
      const name = textOf(bytes);
      return { name, meaning: principalMeaning(name, isHost) };
    }),
    critical_options: reading.criticalOptions.map((option) =>
      optionDocument(option, (name) => criticalOptionMeanings.get(name)),
    ),
    extensions,
    claims: claimsOf('claims', extensions),
    mfa: claimsOf('mfa', extensions),
  } as const;
  return { ...document, warnings: certificateWarnings({ reading, document, blob, signatureProblem }) };
}

function purposeOf({ kind, principals }: CertificateReading): CertificateDocument['purpose'] {
  if (kind === kindNumbers.host) return 'host';
  if (kind !== kindNumbers.user) return null;
  const [first = Buffer.alloc(0), ...more] = principals;
  if (more.length > 0) return 'user';
  const name = textOf(first);
  if (name === canaryPrincipal) return 'canary';
  return isHopPrincipal(name) ? 'hop' : 'user';
}

function validityOf(
  { validAfter, validBefore }: CertificateReading,
  now: bigint,
): CertificateDocument['validity'] {
  if (validAfter >= validBefore) return 'never_valid';
  if (now < validAfter) return 'not_yet_valid';
  return now < validBefore ? 'valid' : 'expired';
}

function optionDocument(
  { name, data }: OptionReading,
  meaningOf: (name: string) => string | undefined,
): OptionDocument {
  const text = textOf(name);
  const value = data.length === 0 ? '' : (optionText(data) ?? null);
  return { name: text, value, data: data.toString('hex'), meaning: meaningOf(text) ?? null };
}

function extensionMeaning(name: string): string | undefined {
  const [word = '', domain] = name.split('@');
  return domain ? documentMeanings.get(word) : extensionMeanings.get(name);
}

/** The document of the first extension `<word>@<domain>` that holds a JSON object. */
function claimsOf(word: string, extensions: readonly OptionDocument[]): ClaimsDocument | null {
  for (const { name, value } of extensions) {
    if (!name.startsWith(`${word}@`)) continue;
    const fields = jsonObject(value ?? '');
    if (fields !== undefined) return { domain: name.slice(word.length + 1), fields };
  }
  return null;
}

/** Ours are two levels deep; what is nested without end can be read, but not written again. */
const mostBrackets = 100;

function jsonObject(text: string): Record<string, unknown> | undefined {
  if ((text.match(/[[{]/g) ?? []).length > mostBrackets) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function problemOfSignature({ toBeSigned, signature, caPublicKey }: CertificateReading): string | null {
  try {
    verifySignature({ publicKey: caPublicKey, bytes: toBeSigned, signature });
    return null;
  } catch (error) {
    if (isSallyportError(error)) return error.message;
    throw error;
  }
}

function algorithmOf(signature: Buffer): string {
  try {
    return textOf(new WireReader(signature, 'signature_invalid', 'signature').string());
  } catch {
    return '';
  }
}
