/**
 * `ssh-sk-attest-v01`: what `ssh-keygen -O write-attestation` keeps of the making of a security key's key (PROTOCOL.u2f).
 * Its maker's certificate signs, over a challenge of ours, that the key was made in a model of theirs. Two forms are known
 * (WebAuthn level 3 sections 8.2 and 8.6): "packed" of FIDO2, and that of U2F tokens.
 */
import { createHash, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { SallyportError } from '../errors/sallyport-error.ts';
import { readCbor } from './cbor.ts';
import { partsOf } from './public-key.ts';
import { type AuthenticatorData, parseAuthenticatorData, securityKeyBlob } from './sk-authenticator-data.ts';
import { modelOfCertificate } from './sk-model-extension.ts';
import { WireReader } from './wire.ts';

const magic = 'ssh-sk-attest-v01';

/** One attested key takes about 1,200 bytes. */
export const longestAttestation = 8_192;

export interface ParsedAttestation {
  /** X.509, DER. */
  readonly certificate: Buffer;
  readonly signature: Buffer;
  /** As it was signed. */
  readonly authenticatorData: Buffer;
}

/** @throws attestation_refused */
export function parseAttestation(document: Uint8Array): ParsedAttestation {
  if (document.length > longestAttestation) throw refused('is too long');
  const reader = readerOf(document);
  if (reader.text() !== magic) throw refused(`is not of the form ${magic}`);
  const certificate = Buffer.from(reader.string());
  const signature = Buffer.from(reader.string());
  const wrapped = readerOf(reader.string());
  reader.u32(); // reserved flags
  reader.string(); // reserved
  reader.done();
  // libfido2 gives the authenticator data as a CBOR byte string.
  const authenticatorData = readCbor(wrapped);
  wrapped.done();
  if (!(authenticatorData instanceof Buffer)) throw refused('holds no authenticator data');
  return { certificate, signature, authenticatorData };
}

export interface AttestationClaim {
  readonly document: Uint8Array;
  /** What the key was made over. */
  readonly challenge: string;
  /** The key's SSH blob. */
  readonly publicKey: Buffer;
}

export interface Attested {
  /** The model's AAGUID. */
  readonly model: string;
  /** Its maker's certificate; whether anybody trusts it is authorityFor()'s. */
  readonly certificate: X509Certificate;
}

/**
 * Throws unless the certificate in the document has signed that this very key was made over this challenge.
 * @throws attestation_refused
 */
export function verifyAttestation({ document, challenge, publicKey }: AttestationClaim): Attested {
  const { certificate: der, signature, authenticatorData } = parseAttestation(document);
  const data = parseAuthenticatorData(authenticatorData);
  const application = partsOf(publicKey).at(-1)?.toString('utf8') ?? '';
  if (!data.applicationHash.equals(sha256(application))) throw refused('is of another application');
  if (!data.userPresent) throw refused('was made without anybody touching the security key');
  if (!securityKeyBlob(data, application).equals(publicKey)) throw refused('is of another key');

  const certificate = certificateOf(der);
  // WebAuthn level 3 section 8.2.1: an authority's own certificate attests no keys, and a model that is named must be it.
  if (certificate.ca) throw refused("is signed by an authority instead of a model's certificate");
  const named = modelOfCertificate(certificate.raw);
  if (named !== undefined && named !== data.model) throw refused('names another model than its certificate');
  const clientDataHash = sha256(challenge);
  const isOver = (bytes: Buffer) => isSignedBy(certificate.publicKey, bytes, signature);
  const isPacked = isOver(Buffer.concat([authenticatorData, clientDataHash]));
  if (!isPacked && !u2fMessages(data, clientDataHash).some(isOver))
    throw refused('does not match its signature, or was made over another challenge');
  // An authority of a maker may issue other certificates, too; tokens of U2F have none that says what it is for.
  if (isPacked && !isForAttesting(certificate))
    throw refused('is signed by a certificate for something else');
  return { model: data.model, certificate };
}

/**
 * The first of the authorities that has issued the certificate and is good now.
 * @param authorities PEM
 */
export function authorityFor(
  certificate: X509Certificate,
  authorities: readonly string[],
  now: Date,
): string | undefined {
  if (!isGoodAt(certificate, now)) return undefined;
  return authorities.find((pem) => {
    const authority = new X509Certificate(pem);
    return (
      isGoodAt(authority, now) &&
      authority.ca &&
      certificate.checkIssued(authority) &&
      certificate.verify(authority.publicKey)
    );
  });
}

/** WebAuthn level 3 section 8.2.1: Subject-OU is this very text. */
function isForAttesting({ subject }: X509Certificate): boolean {
  return subject.split('\n').includes('OU=Authenticator Attestation');
}

/** What stands for an authority where it is remembered: SHA-256 in hexadecimal. */
export function authorityDigest(pem: string): string {
  return sha256(new X509Certificate(pem).raw).toString('hex');
}

/** WebAuthn level 3 section 8.6: what a U2F token signs, which knows neither models nor Ed25519. */
function u2fMessages(
  { model, applicationHash, credentialId, keyParts }: AuthenticatorData,
  hash: Buffer,
): Buffer[] {
  const [, point] = keyParts;
  if (point === undefined || /[1-9a-f]/.test(model)) return [];
  return [Buffer.concat([Buffer.of(0), applicationHash, hash, credentialId, point])];
}

/** Makers sign with ECDSA on P-256 (COSE -7), some with RSA or Ed25519; the certificate's key says which. */
function isSignedBy(key: KeyObject, bytes: Buffer, signature: Buffer): boolean {
  try {
    return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', bytes, key, signature);
  } catch {
    return false;
  }
}

function certificateOf(der: Buffer): X509Certificate {
  if (der.length === 0) throw refused('has no certificate: the security key vouches only for itself');
  try {
    return new X509Certificate(der);
  } catch {
    throw refused('holds something else than a certificate');
  }
}

function isGoodAt({ validFromDate, validToDate }: X509Certificate, now: Date): boolean {
  return validFromDate <= now && now <= validToDate;
}

function sha256(bytes: Uint8Array | string): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function readerOf(bytes: Uint8Array): WireReader {
  return new WireReader(bytes, 'attestation_refused', 'attestation');
}

function refused(problem: string): SallyportError {
  return new SallyportError('attestation_refused', `The attestation ${problem}.`);
}
