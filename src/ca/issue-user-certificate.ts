/**
 * Issues user certificates. One transaction holds the login session, decides and stores the bytes to be signed; only
 * after its commit are they signed. So a crash at any line leaves a certificate that is recorded and can be revoked,
 * or none; and a revocation, which takes the same session's row, misses none that is under way.
 */
import { randomBytes } from 'node:crypto';
import { loadAccount } from '../accounts/account.ts';
import type { CertificateReply, CertificateRequest } from '../api/certificates.ts';
import type { Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { violatedConstraint } from '../database/violated-constraint.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { backdateSeconds, certificateLifeSeconds, decideCertificate } from '../policy/decide-certificate.ts';
import { helpfulCommand, type Reasons } from '../policy/reasons.ts';
import { lockLiveSession } from '../sessions/lock-live-session.ts';
import { type Certificate, type CertificateFields, nonceLength } from '../ssh/certificate.ts';
import { certificateLine, encodeToBeSigned } from '../ssh/encode-certificate.ts';
import { lintUserCertificate } from '../ssh/lint-certificate.ts';
import { keyIdFor, parseKeyId } from '../ssh/names.ts';
import { parsePublicKeyLine } from '../ssh/public-key.ts';
import { certificateExtensions } from './certificate-extensions.ts';
import { certificateOfRequest, type StoredCertificate, storeCertificate } from './certificate-store.ts';
import type { Issuing } from './issuing.ts';
import { consumeChallenge, verifyPossession } from './possession.ts';
import { recordRefusal } from './record-refusal.ts';
import { nextSerial } from './serials.ts';
import { signCertificate } from './sign-certificate.ts';
import { checkSubjectKey } from './subject-key.ts';

export interface UserCertificateRequest {
  /** Who asks, as authentication found; everything else is looked up. */
  readonly sessionId: string;
  readonly request: CertificateRequest;
}

/**
 * A request that is sent again, after a lost reply, gets the same certificate, byte for byte.
 * @throws the key's faults, key_reserved, key_revoked, key_possession_unproven, session_ended, access_denied,
 *   request_malformed, signer_failed, database_unavailable; then no certificate leaves
 */
export async function issueUserCertificate(
  issuing: Issuing,
  { sessionId, request }: UserCertificateRequest,
): Promise<CertificateReply> {
  const now = issuing.clock();
  let stored: ToSign;
  try {
    const { blob } = parsePublicKeyLine(request.public_key);
    const { domain } = issuing;
    verifyPossession({ publicKeyBlob: blob, sessionId, domain, possession: request.possession });
    stored = await decideAndStoreOnce(issuing, { sessionId, request, publicKey: blob, now });
  } catch (error) {
    await recordRefusal(issuing.db, sessionId, error);
    throw error;
  }
  return replyWith(await signCertificate(stored.toBeSigned, issuing.keys.byId(stored.caKeyId)?.signer));
}

/** What is signed after the commit, and by which key. */
type ToSign = Pick<StoredCertificate, 'caKeyId' | 'toBeSigned'>;

interface Subject {
  readonly sessionId: string;
  readonly request: CertificateRequest;
  readonly publicKey: Buffer;
  readonly now: Date;
}

/** Returns what is to be signed; it is committed when this returns. */
async function decideAndStoreOnce(issuing: Issuing, subject: Subject): Promise<ToSign> {
  const attempt = () => inTransaction(issuing.db, (tx) => decideAndStore(tx, issuing, subject));
  try {
    return await attempt();
  } catch (error) {
    // The same request twice at once: the other has stored its certificate by now, and this one finds it.
    if (isLostRace(error)) return await attempt();
    throw error;
  }
}

async function decideAndStore(tx: Tx, issuing: Issuing, subject: Subject): Promise<ToSign> {
  const { sessionId, request, publicKey, now } = subject;
  const session = await lockLiveSession(tx, sessionId, 'share', now);
  if (session.kind !== 'helper') {
    throw new SallyportError('forbidden', 'A browser session gets no SSH certificates. Run: sally login');
  }
  const { facts: account, organization, organizationId } = await loadAccount(tx, session.accountId);
  const nowSeconds = Math.floor(now.getTime() / 1000);
  const decision = decideCertificate({ account, organization, session: session.facts }, nowSeconds);
  if (!decision.allowed) throw refused(decision.reasons);

  // Only now: what was stored and never signed must not leave once its account may have none any more.
  const earlier = await certificateOfRequest(tx, sessionId, request.request_id);
  if (earlier) return repeatable(earlier, subject, issuing);

  await consumeChallenge(tx, { sessionId, challenge: request.possession.challenge }, now);
  await checkSubjectKey(tx, publicKey, session.accountId);

  const caKey = issuing.keys.active('user');
  const fields: CertificateFields = {
    kind: 'user',
    publicKey,
    nonce: randomBytes(nonceLength),
    serial: await nextSerial(tx, now),
    keyId: keyIdFor(account.name, sessionId),
    principals: decision.principals,
    validAfter: BigInt(decision.validAfterSeconds),
    validBefore: BigInt(decision.validBeforeSeconds),
    criticalOptions: [],
    extensions: certificateExtensions({
      domain: issuing.domain,
      account,
      session: session.facts,
      issuer: session.issuer,
      permissions: decision.extensions,
      mfa: decision.mfa,
    }),
    caPublicKey: caKey.publicKey,
  };
  const toBeSigned = encodeToBeSigned(fields);
  lintUserCertificate(toBeSigned, {
    now: BigInt(nowSeconds),
    maxLifetime: BigInt(certificateLifeSeconds),
    maxBackdate: BigInt(backdateSeconds),
  });
  await storeCertificate(tx, {
    kind: 'user',
    caKeyId: caKey.id,
    fields,
    toBeSigned,
    decision: { account, organization, session: session.facts, decision },
    organizationId,
    login: { accountId: session.accountId, sessionId, requestId: request.request_id },
  });
  return { caKeyId: caKey.id, toBeSigned };
}

/** What was stored for this request before, if it may be handed out again. */
function repeatable(earlier: StoredCertificate, { publicKey, now }: Subject, { keys }: Issuing): ToSign {
  const again = 'Use a new request_id for a new certificate.';
  if (!earlier.publicKey.equals(publicKey)) {
    throw new SallyportError('request_malformed', `This request_id was used for another key. ${again}`);
  }
  if (earlier.revoked || earlier.validBefore <= now || keys.byId(earlier.caKeyId) === undefined) {
    throw new SallyportError(
      'request_malformed',
      `The certificate of this request_id has expired, was revoked or is of a CA key that signs no more. ${again}`,
    );
  }
  return earlier;
}

function isLostRace(error: unknown): boolean {
  if (isSallyportError(error)) return error.code === 'key_possession_unproven';
  return violatedConstraint(error) === 'certificates_request_key';
}

/** Where logging in again helps, the session is what is wrong. */
function refused(reasons: Reasons): SallyportError {
  const command = helpfulCommand(reasons);
  const sentences = reasons.map(({ message }) => message);
  if (command !== null) sentences.push(`Run: ${command}`);
  return new SallyportError(command === null ? 'access_denied' : 'session_ended', sentences.join(' '), {
    members: { reasons: reasons.map(({ code }) => code), command },
  });
}

function replyWith(certificate: Certificate): CertificateReply {
  const { blob, keyId, principals, serial, validAfter, validBefore } = certificate;
  return {
    certificate: certificateLine(blob, keyId),
    serial: `${serial}`,
    key_id: keyId,
    principals: [...principals],
    valid_after: Number(validAfter),
    valid_before: Number(validBefore),
    account: parseKeyId(keyId).account,
  };
}
