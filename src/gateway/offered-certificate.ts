/**
 * The certificate that a client offers, as sshd hands it over (%k). Being asked is not being authenticated: sshd asks
 * for expired certificates and for ones whose private key the client does not hold. So everything that can be checked
 * without the key is checked here, again and in full; the key itself is sshd's part. Pure.
 */
import { z } from 'zod';
import { certificateClaims, certificateMfa, claimsExtensionName, mfaExtensionName } from '../api/claims.ts';
import { accountName, uint64, unixSeconds } from '../api/common.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { SessionFacts } from '../policy/facts.ts';
import { decodeBase64 } from '../ssh/base64.ts';
import type { Certificate } from '../ssh/certificate.ts';
import { splitKeyId } from '../ssh/names.ts';
import { parseCertificate } from '../ssh/parse-certificate.ts';
import { isCertificateRevoked, type ParsedKrl } from '../ssh/parse-krl.ts';
import { verifyCertificateBy } from '../ssh/verify-certificate.ts';

/** What is kept of an offer for as long as its connection lives; also on disk, hence a schema. */
export const offerSchema = z.strictObject({
  account: accountName,
  organization: z.string(),
  sessionId: z.uuid(),
  serial: uint64,
  /** Base64 of the CA's key blob: a serial means nothing without it. */
  authority: z.base64(),
  mode: z.enum(['interactive', 'token', 'ci']),
  amr: z.array(z.string()),
  acr: z.string().nullable(),
  authTimeSeconds: unixSeconds,
  mfa: z.boolean(),
  validBeforeSeconds: unixSeconds,
});

export type Offer = z.infer<typeof offerSchema>;

export interface OfferChecks {
  readonly authorities: readonly Buffer[];
  readonly krl: ParsedKrl;
  readonly domain: string;
  readonly nowSeconds: number;
}

/**
 * @param base64 the certificate's blob
 * @throws certificate_malformed, signature_invalid, certificate_refused
 */
export function readOffer(base64: string, { authorities, krl, domain, nowSeconds }: OfferChecks): Offer {
  const blob = decodeBase64(base64);
  if (blob === undefined) throw refused('is not base64');
  const certificate = parseCertificate(blob);
  verifyCertificateBy(certificate, authorities);

  const { kind, keyId, principals, validAfter, validBefore, serial, caPublicKey } = certificate;
  if (kind !== 'user') throw refused('is not for a user');
  if (BigInt(nowSeconds) < validAfter) throw refused('is not valid yet');
  if (BigInt(nowSeconds) >= validBefore) throw refused('has expired');
  if (isCertificateRevoked(krl, certificate)) throw refused('is revoked');

  const claims = readJson(certificate, claimsExtensionName(domain), certificateClaims);
  if (claims === undefined) throw refused('holds no claims of this domain');
  const named = splitKeyId(keyId);
  if (named?.account !== claims.sub || named.sessionId !== claims.sid) {
    throw refused('has a key ID and claims that differ');
  }
  if (!principals.includes(claims.sub)) throw refused('does not hold its account among its principals');
  if (claims.mode === 'hop') throw refused('is for one target only');
  const mfa = readJson(certificate, mfaExtensionName(domain), certificateMfa);
  return {
    account: claims.sub,
    organization: claims.org,
    sessionId: claims.sid,
    serial: serial.toString(),
    authority: caPublicKey.toString('base64'),
    mode: claims.mode,
    amr: claims.amr,
    acr: claims.acr,
    authTimeSeconds: claims.auth_time,
    mfa: mfa !== undefined,
    validBeforeSeconds: Number(validBefore),
  };
}

/** The session as policy sees it. A certificate's end is the end of starting connections, not of running ones. */
export function sessionOf(offer: Offer, phase: 'start' | 'running', ended: boolean): SessionFacts {
  const { sessionId, mode, amr, acr, authTimeSeconds, mfa } = offer;
  return {
    id: sessionId,
    mode,
    ended,
    expiresAtSeconds: phase === 'start' ? offer.validBeforeSeconds : Number.MAX_SAFE_INTEGER,
    assurance: { amr, acr, authTimeSeconds, mfa },
  };
}

function readJson<Schema extends z.ZodType>(
  { extensions }: Certificate,
  name: string,
  schema: Schema,
): z.infer<Schema> | undefined {
  const found = extensions.find((extension) => extension.name === name);
  if (found === undefined) return undefined;
  const parsed = schema.safeParse(parseJson(found.value ?? ''));
  if (!parsed.success) throw refused(`has an extension ${name} that can't be read`);
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refused(problem: string): SallyportError {
  return new SallyportError('certificate_refused', `The offered certificate ${problem}.`);
}
