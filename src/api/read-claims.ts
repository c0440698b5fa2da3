/** Reads our two documents in a certificate of a person or of a hop, and holds them against its key ID. Pure. */
import type { z } from 'zod';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { Certificate } from '../ssh/certificate.ts';
import { splitKeyId } from '../ssh/names.ts';
import {
  type CertificateClaims,
  type CertificateMfa,
  certificateClaims,
  certificateMfa,
  claimsExtensionName,
  mfaExtensionName,
} from './claims.ts';

export interface StatedClaims {
  readonly claims: CertificateClaims;
  /** Undefined: the login does not count as MFA. */
  readonly mfa: CertificateMfa | undefined;
}

/**
 * @param certificate its signature was verified, or what is read here is anybody's word
 * @throws certificate_refused
 */
export function readClaims(certificate: Certificate, domain: string): StatedClaims {
  const claims = readJson(certificate, claimsExtensionName(domain), certificateClaims);
  if (claims === undefined) throw offerRefused('holds no claims of this domain');
  const named = splitKeyId(certificate.keyId);
  if (named?.account !== claims.sub || named.sessionId !== claims.sid) {
    throw offerRefused('has a key ID and claims that differ');
  }
  return { claims, mfa: readJson(certificate, mfaExtensionName(domain), certificateMfa) };
}

/** @param publicOrigin the server's own, which vouches for passkeys */
export function vouchedBy(
  mfa: CertificateMfa | undefined,
  publicOrigin: string,
): 'provider' | 'passkey' | null {
  if (mfa === undefined) return null;
  return mfa.by === publicOrigin ? 'passkey' : 'provider';
}

export function offerRefused(problem: string): SallyportError {
  return new SallyportError('certificate_refused', `The offered certificate ${problem}.`);
}

function readJson<Schema extends z.ZodType>(
  { extensions }: Certificate,
  name: string,
  schema: Schema,
): z.infer<Schema> | undefined {
  const found = extensions.find((extension) => extension.name === name);
  if (found === undefined) return undefined;
  const parsed = schema.safeParse(parseJson(found.value ?? ''));
  if (!parsed.success) throw offerRefused(`has an extension ${name} that can't be read`);
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
