/**
 * The certificate by which a person came to a gateway, which the gateway presents whole. Nothing in it is believed before
 * it is found to be, byte for byte, one that was issued here: so a gateway can act only for people whose certificates it
 * has seen, and only as long as these are good.
 */
import { offerRefused, readClaims, vouchedBy } from '../api/read-claims.ts';
import type { Tx } from '../database/database.ts';
import type { SallyportError } from '../errors/sallyport-error.ts';
import type { SessionFacts } from '../policy/facts.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import type { Session } from '../sessions/session.ts';
import type { Certificate } from '../ssh/certificate.ts';
import { verifyCertificateBy } from '../ssh/verify-certificate.ts';

export interface SourceCertificate {
  /** Whose it is. The row is locked: the session can't be ended before the transaction is over. */
  readonly session: Session;
  /** The session as the certificate proves it: with its MFA, and only until it ends. */
  readonly proven: SessionFacts;
  readonly serial: bigint;
  /** Names of its extensions. */
  readonly extensions: readonly string[];
}

export interface SourceContext {
  readonly domain: string;
  readonly publicOrigin: string;
  /** The gateway that presents it. */
  readonly gateway: { readonly id: string };
  readonly now: Date;
}

/** @throws certificate_refused, signature_invalid, session_ended */
export async function lockSource(
  tx: Tx,
  certificate: Certificate,
  { domain, publicOrigin, gateway, now }: SourceContext,
): Promise<SourceCertificate> {
  const { serial, extensions, validAfter, validBefore } = certificate;
  const stored = await issuedAs(tx, certificate);
  if (stored === undefined) throw unknown();
  verifyCertificateBy(certificate, [stored.caPublicKey]);
  if (stored.companionId !== null && stored.companionId !== gateway.id) {
    throw offerRefused('is good for another machine alone');
  }

  const session = await lockLiveSession(tx, stored.sessionId, 'share', now);
  const nowSeconds = BigInt(Math.floor(now.getTime() / 1000));
  if (nowSeconds < validAfter) throw offerRefused('is not valid yet');
  if (nowSeconds >= validBefore) throw offerRefused('has expired');
  // After the lock: whoever ends the session has committed by now, or waits.
  if (await isRevoked(tx, serial)) throw offerRefused('is revoked');

  const { claims, mfa } = readClaims(certificate, domain);
  const { amr, acr, auth_time, mode } = claims;
  return {
    session,
    proven: {
      ...session.facts,
      mode,
      expiresAtSeconds: Math.min(session.facts.expiresAtSeconds, Number(validBefore)),
      assurance: {
        amr,
        acr,
        authTimeSeconds: auth_time,
        mfa: mfa !== undefined && session.facts.assurance.mfa,
        mfaBy: vouchedBy(mfa, publicOrigin),
        mfaMethods: mfa?.methods ?? [],
        mfaTimeSeconds: mfa?.time ?? null,
      },
    },
    serial,
    extensions: extensions.map(({ name }) => name),
  };
}

interface Issued {
  readonly sessionId: string;
  readonly caPublicKey: Buffer;
  /** The one machine that it is good for. */
  readonly companionId: string | null;
}

/** The session and the CA of the user certificate that was stored with these very bytes; of a CA key that is trusted. */
async function issuedAs(tx: Tx, { serial, toBeSigned }: Certificate): Promise<Issued | undefined> {
  // No column holds more.
  if (serial > 0x7fff_ffff_ffff_ffffn) return undefined;
  const row = await tx
    .selectFrom('certificates')
    .innerJoin('ca_keys', 'ca_keys.id', 'certificates.ca_key_id')
    .select([
      'certificates.session_id',
      'certificates.companion_id',
      'certificates.to_be_signed',
      'ca_keys.public_key',
    ])
    .where('certificates.serial', '=', String(serial))
    .where('certificates.kind', '=', 'user')
    .where('ca_keys.purpose', '=', 'user')
    .where('ca_keys.state', 'in', ['active', 'retiring'])
    .where('ca_keys.compromised_at', 'is', null)
    .executeTakeFirst();
  if (!row?.session_id || !row.to_be_signed.equals(toBeSigned)) return undefined;
  return { sessionId: row.session_id, caPublicKey: row.public_key, companionId: row.companion_id };
}

async function isRevoked(tx: Tx, serial: bigint): Promise<boolean> {
  const row = await tx
    .selectFrom('revoked_serials')
    .select('serial')
    .where('serial', '=', String(serial))
    .executeTakeFirst();
  return row !== undefined;
}

function unknown(): SallyportError {
  return offerRefused('is not a user certificate that was issued here by a CA key in force');
}
