/**
 * The certificate that a client offers, as sshd hands it over (%k). Being asked is not being authenticated: sshd asks
 * for expired certificates and for ones whose private key the client does not hold. So everything that can be checked
 * without the key is checked here, again and in full; the key itself is sshd's part. Pure.
 */
import { z } from 'zod';
import { accountName, uint64, unixSeconds } from '../api/common.ts';
import { offerRefused, readClaims, type StatedClaims, vouchedBy } from '../api/read-claims.ts';
import type { SessionFacts } from '../policy/facts.ts';
import { decodeBase64 } from '../ssh/base64.ts';
import type { Certificate } from '../ssh/certificate.ts';
import { certificateLine } from '../ssh/encode-certificate.ts';
import { hopPrincipal, isMachinePrincipal, machinePrincipal } from '../ssh/names.ts';
import { parseCertificate } from '../ssh/parse-certificate.ts';
import { isCertificateRevoked, type ParsedKrl } from '../ssh/parse-krl.ts';
import { verifyCertificateBy } from '../ssh/verify-certificate.ts';

/** A minute, and as much for clocks that differ. */
const longestHopSeconds = 120n;

/** What is kept of an offer for as long as its connection lives; also on disk, hence a schema. */
export const offerSchema = z.strictObject({
  account: accountName,
  organization: z.string(),
  sessionId: z.uuid(),
  serial: uint64,
  /** Base64 of the CA's key blob: a serial means nothing without it. */
  authority: z.base64(),
  /** hop: a gateway brings the person, by a certificate that the hop CA signed for this host. */
  mode: z.enum(['interactive', 'token', 'ci', 'key', 'hop']),
  amr: z.array(z.string()),
  acr: z.string().nullable(),
  authTimeSeconds: unixSeconds,
  mfa: z.boolean(),
  mfaBy: z.enum(['provider', 'passkey']).nullable().default(null),
  mfaMethods: z.array(z.string()).default([]),
  mfaTimeSeconds: unixSeconds.nullable().default(null),
  roleLimit: z.enum(['viewer', 'contributor', 'admin']).nullable().default(null),
  /** It is good for this machine and no other. */
  forThisMachine: z.boolean().default(false),
  validBeforeSeconds: unixSeconds,
  /** What the person showed: keys and codes have no serial of their own ("0") and no authority (""). */
  source: z.enum(['certificate', 'key', 'code']).default('certificate'),
  /** The certificate's line, the key's line, or the id of the code's use: what the CA is shown for the second leg. */
  sourceText: z.string().default(''),
});

export type Offer = z.infer<typeof offerSchema>;

export interface OfferChecks {
  /** Blobs of the user CA keys. */
  readonly authorities: readonly Buffer[];
  /** Blobs of the hop CA keys; none on a gateway. */
  readonly hopAuthorities: readonly Buffer[];
  /** This machine's name. */
  readonly machine: string;
  readonly krl: ParsedKrl;
  readonly domain: string;
  /** The server's own, which vouches for passkeys. */
  readonly publicOrigin: string;
  readonly nowSeconds: number;
}

/**
 * @param base64 the certificate's blob
 * @throws certificate_malformed, signature_invalid, certificate_refused
 */
export function readOffer(base64: string, checks: OfferChecks): Offer {
  const { authorities, hopAuthorities, krl, domain, publicOrigin, nowSeconds } = checks;
  const blob = decodeBase64(base64);
  if (blob === undefined) throw offerRefused('is not base64');
  const certificate = parseCertificate(blob);
  const { kind, validAfter, validBefore, serial, caPublicKey } = certificate;
  // By who signed it, and by nothing that it says of itself.
  const isHop = hopAuthorities.some((authority) => authority.equals(caPublicKey));
  verifyCertificateBy(certificate, isHop ? hopAuthorities : authorities);

  if (kind !== 'user') throw offerRefused('is not for a user');
  if (BigInt(nowSeconds) < validAfter) throw offerRefused('is not valid yet');
  if (BigInt(nowSeconds) >= validBefore) throw offerRefused('has expired');
  if (isCertificateRevoked(krl, certificate)) throw offerRefused('is revoked');

  const stated = readClaims(certificate, domain);
  if (isHop) checkHop(certificate, stated, checks);
  else checkPersons(certificate, stated, checks);
  const { claims, mfa } = stated;
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
    mfaBy: vouchedBy(mfa, publicOrigin),
    mfaMethods: mfa?.methods ?? [],
    mfaTimeSeconds: mfa?.time ?? null,
    roleLimit: claims.max_role ?? null,
    forThisMachine: claims.machine !== undefined,
    validBeforeSeconds: Number(validBefore),
    source: 'certificate',
    sourceText: certificateLine(blob),
  };
}

function checkPersons(
  { principals }: Certificate,
  { claims }: StatedClaims,
  { machine }: Pick<OfferChecks, 'machine'>,
): void {
  if (claims.machine !== undefined || principals.some(isMachinePrincipal)) {
    // Both say it: sshd reads the one, we the other, and neither may be wider.
    const isThis = claims.machine === machine && principals.join() === machinePrincipal(machine);
    if (!isThis) throw offerRefused('is for another machine');
  } else if (!principals.includes(claims.sub)) {
    throw offerRefused('does not hold its account among its principals');
  }
  if (claims.mode === 'hop') throw offerRefused('says that it is a hop, and no hop CA signed it');
}

/** What the CA's linter let leave, looked at again: for this host alone, from one gateway, for a minute, without MFA. */
function checkHop(certificate: Certificate, { claims, mfa }: StatedClaims, checks: OfferChecks): void {
  const { principals, criticalOptions, validBefore } = certificate;
  if (principals.join() !== hopPrincipal(checks.machine)) throw offerRefused('is for another host');
  if (claims.mode !== 'hop') throw offerRefused('is of the hop CA and does not say that it is a hop');
  if (mfa !== undefined) throw offerRefused('is a hop and speaks of MFA');
  if (criticalOptions.map(({ name }) => name).join() !== 'source-address') {
    throw offerRefused('is a hop and not bound to the address of its gateway');
  }
  if (validBefore > BigInt(checks.nowSeconds) + longestHopSeconds)
    throw offerRefused('is a hop for too long');
}

/** Which of its names sshd shall let in. */
export function principalOf({ mode, account, forThisMachine }: Offer, machine: string): string {
  if (mode === 'hop') return hopPrincipal(machine);
  return forThisMachine ? machinePrincipal(machine) : account;
}

/** The session as policy sees it. A certificate's end is the end of starting connections, not of running ones. */
export function sessionOf(offer: Offer, phase: 'start' | 'running', ended: boolean): SessionFacts {
  const { sessionId, mode, amr, acr, authTimeSeconds, mfa, mfaBy, mfaMethods, mfaTimeSeconds } = offer;
  return {
    id: sessionId,
    mode,
    ended,
    expiresAtSeconds: phase === 'start' ? offer.validBeforeSeconds : Number.MAX_SAFE_INTEGER,
    assurance: { amr, acr, authTimeSeconds, mfa, mfaBy, mfaMethods, mfaTimeSeconds },
    roleLimit: offer.roleLimit,
  };
}
