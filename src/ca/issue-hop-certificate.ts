/**
 * Issues hop certificates: the second leg of a connection, from a gateway to one host, for a minute. The gateway brings
 * the certificate (or what stands for one) of the person whom it has before it; what it may do with it is decided from facts that it has no part
 * in. As for user certificates, one transaction holds the login session, decides and stores; the signature comes after.
 */
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { loadAccount } from '../accounts/account.ts';
import { type HopCertificateReply, type HopCertificateRequest, hopMessage } from '../api/hop-certificates.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { inTransaction } from '../database/transaction.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { rulesForAccount } from '../inventory/access-rules.ts';
import { companionById } from '../inventory/companion.ts';
import { targetBehindGateway } from '../inventory/target.ts';
import { backdateSeconds } from '../policy/decide-certificate.ts';
import { decideHop, hopPermissions } from '../policy/decide-hop.ts';
import { helpfulCommand, type Reasons, reason } from '../policy/reasons.ts';
import { type Certificate, type CertificateFields, nonceLength } from '../ssh/certificate.ts';
import { certificateLine, encodeToBeSigned } from '../ssh/encode-certificate.ts';
import { lintHopCertificate, longestHopLife } from '../ssh/lint-certificate.ts';
import { hopPrincipal, keyIdFor } from '../ssh/names.ts';
import { parsePublicKeyLine } from '../ssh/public-key.ts';
import { verifySshsig } from '../ssh/sshsig.ts';
import { refuseListedKey } from '../ssh/weak-key-list.ts';
import { certificateExtensions } from './certificate-extensions.ts';
import { certificatesOfRequests, type StoredCertificate, storeCertificate } from './certificate-store.ts';
import { compareWithDecision } from './compare-with-decision.ts';
import { type EnrolledMachine, lockEnrolledMachine } from './enrolled-machine.ts';
import { type HopSource, lockHopSource, readHopSource } from './hop-source.ts';
import { type Issuing, publicOriginOf } from './issuing.ts';
import { nextSerials } from './serials.ts';
import { signCertificate } from './sign-certificate.ts';
import { subjectKeyFaults } from './subject-key.ts';

export interface AskingForHop {
  /** Who asks, as authentication found. */
  readonly companionId: string;
  readonly request: HopCertificateRequest;
}

/**
 * Issues one certificate. A request that is sent again, after a lost reply, gets the same bytes signed again.
 * @throws the key's faults, key_reserved, key_revoked, key_possession_unproven, certificate_malformed,
 *   certificate_refused, signature_invalid, session_ended, forbidden, enrolment_refused, access_denied,
 *   request_malformed, recovery_needed, signer_failed, database_unavailable; then no certificate leaves
 */
export async function issueHopCertificate(
  issuing: Issuing,
  asking: AskingForHop,
): Promise<HopCertificateReply> {
  const { caKeyId, toBeSigned, ...about } = await readAndStore(issuing, asking);
  const certificate = await signCertificate(toBeSigned, issuing.keys.byId(caKeyId)?.signer);
  return replyWith(certificate, about);
}

async function readAndStore(issuing: Issuing, asking: AskingForHop): Promise<ToSign> {
  let asked: Asked | undefined;
  try {
    asked = readRequest(issuing, asking);
    const read = asked;
    return await inTransaction(issuing.db, (tx) => decideAndStore(tx, issuing, read));
  } catch (error) {
    await recordRefusal(issuing.db, asking.companionId, asked?.source, error);
    throw error;
  }
}

/** A request, read and checked as far as it can be without the database. */
interface Asked {
  readonly gatewayId: string;
  readonly requestId: string;
  readonly source: HopSource;
  readonly targetName: string;
  /** SSH public key blob. */
  readonly publicKey: Buffer;
}

interface ToSign extends Pick<StoredCertificate, 'caKeyId' | 'toBeSigned'> {
  readonly hostName: string;
  readonly sessionExpiresAt: number;
}

/** The key is one that may be certified, and whoever asks holds its private half. */
function readRequest({ domain, weakKeys }: Issuing, { companionId, request }: AskingForHop): Asked {
  const { blob } = parsePublicKeyLine(request.public_key);
  if (weakKeys) refuseListedKey(weakKeys, blob);
  try {
    verifySshsig({
      message: hopMessage(companionId, request),
      namespace: `hop@${domain}`,
      publicKeyBlob: blob,
      armored: request.signature,
    });
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    throw new SallyportError('key_possession_unproven', error.message, { cause: error });
  }
  return {
    gatewayId: companionId,
    requestId: request.request_id.toLowerCase(),
    source: readHopSource(request),
    targetName: request.target,
    publicKey: blob,
  };
}

async function decideAndStore(tx: Tx, issuing: Issuing, asked: Asked): Promise<ToSign> {
  const now = issuing.clock();
  const nowSeconds = Math.floor(now.getTime() / 1000);
  const { gatewayId, requestId, publicKey, targetName } = asked;

  // Both are locked: neither can be ended before this transaction is over, and whoever ends it finds the certificate.
  const publicOrigin = publicOriginOf(issuing);
  const { organizationId } = await companionById(tx, gatewayId);
  const source = await lockHopSource(tx, asked.source, {
    domain: issuing.domain,
    publicOrigin,
    gateway: { id: gatewayId, organizationId },
    target: targetName,
    now,
  });
  const gateway = await lockEnrolledMachine(tx, gatewayId);
  if (gateway.kind !== 'gateway') {
    throw new SallyportError('forbidden', 'Hop certificates are for gateways; this machine is a host.');
  }

  const { accountId, sessionId } = source.session;
  const account = await loadAccount(tx, accountId);
  const found = await targetBehindGateway(tx, gatewayId, targetName);
  const hostName = found?.hostName ?? null;
  const decision = decideHop({
    account: account.facts,
    session: source.proven,
    rules: await rulesForAccount(tx, accountId),
    target: found?.target,
    hasHost: hostName !== null,
    nowSeconds,
  });
  if (!decision.allowed) throw refused(decision.reasons);
  if (found === undefined || hostName === null) throw refused([reason('host_missing')]);
  const principal = hopPrincipal(hostName);
  const about = { hostName, sessionExpiresAt: Math.floor(source.session.facts.expiresAtSeconds) };

  const earlier = (await certificatesOfRequests(tx, [{ sessionId, requestId }])).values().next().value;
  // For a serial that is not needed it asks all the same whether anything may be issued.
  const [serial] = await nextSerials(tx, earlier === undefined ? 1 : 0, now);
  if (earlier !== undefined || serial === undefined) {
    return { ...repeatable(issuing, earlier, { gatewayId, publicKey, principal }, now), ...about };
  }

  await requireFreshKey(tx, { publicKey, accountId });
  const caKey = issuing.keys.active('hop');
  const sourceAddress = addressOf(gateway);
  const permissions = hopPermissions(source.permissions, found.target);
  const fields: CertificateFields = {
    kind: 'user',
    publicKey,
    nonce: randomBytes(nonceLength),
    serial,
    keyId: keyIdFor(account.facts.name, sessionId),
    principals: [principal],
    validAfter: BigInt(nowSeconds - backdateSeconds),
    validBefore: BigInt(Math.min(nowSeconds + Number(longestHopLife), source.proven.expiresAtSeconds)),
    criticalOptions: [{ name: 'source-address', value: sourceAddress }],
    extensions: certificateExtensions({
      domain: issuing.domain,
      account: account.facts,
      session: source.proven,
      issuer: source.session.issuer,
      publicOrigin,
      permissions,
      mfa: false,
      actor: gateway.name,
    }),
    caPublicKey: caKey.publicKey,
  };
  const toBeSigned = encodeToBeSigned(fields);
  lintHopCertificate(toBeSigned, {
    now: BigInt(nowSeconds),
    maxLifetime: longestHopLife,
    maxBackdate: BigInt(backdateSeconds),
    sourceAddress,
    permissions,
  });
  compareWithDecision(toBeSigned, fields);
  await storeCertificate(tx, {
    kind: 'hop',
    caKeyId: caKey.id,
    fields,
    toBeSigned,
    decision: {
      account: account.facts,
      session: source.proven,
      ...source.evidence,
      gateway: gateway.name,
      target: found?.target,
      decision,
    },
    organizationId: account.organizationId,
    login: { accountId, sessionId, requestId },
    companionId: gatewayId,
  });
  return { caKeyId: caKey.id, toBeSigned, ...about };
}

/**
 * Where sshd of the host will see the gateway come from: what its record says, never what the gateway says.
 * @throws access_denied if that is a name, which source-address can't hold
 */
function addressOf({ name, sourceAddress }: EnrolledMachine): string {
  if (isIP(sourceAddress) !== 0) return sourceAddress;
  throw new SallyportError(
    'access_denied',
    `Nobody has said which IP address the gateway ${name} comes from. An admin can: "source_address" in the setup file.`,
  );
}

/** One key for one connection: it has been in no certificate before. @throws key_reserved, key_revoked */
async function requireFreshKey(tx: Tx, subject: { publicKey: Buffer; accountId: string }): Promise<void> {
  for (const fault of (await subjectKeyFaults(tx, [subject])).values()) throw fault;
  const before = await tx
    .selectFrom('certificates')
    .select('serial')
    .where('public_key', '=', subject.publicKey)
    .limit(1)
    .executeTakeFirst();
  if (before === undefined) return;
  throw new SallyportError(
    'key_reserved',
    'The key stands in a certificate already. A hop certificate needs a key that was made for it.',
  );
}

/** What was stored for this request before, if it may be handed out again. @throws request_malformed */
function repeatable(
  { keys }: Issuing,
  earlier: StoredCertificate | undefined,
  asked: { readonly gatewayId: string; readonly publicKey: Buffer; readonly principal: string },
  now: Date,
): StoredCertificate {
  const isTheSame =
    earlier?.kind === 'hop' &&
    earlier.companionId === asked.gatewayId &&
    earlier.publicKey.equals(asked.publicKey) &&
    earlier.principals.join() === asked.principal;
  if (isTheSame && !earlier.revoked && earlier.validBefore > now && keys.byId(earlier.caKeyId)) {
    return earlier;
  }
  throw new SallyportError(
    'request_malformed',
    'This request_id was used before, and not for this, or its certificate is good no more. Use a new one.',
  );
}

function refused(reasons: Reasons): SallyportError {
  return new SallyportError('access_denied', reasons.map(({ message }) => message).join(' '), {
    members: { reasons: reasons.map(({ code }) => code), command: helpfulCommand(reasons) },
  });
}

/**
 * In a transaction of its own, since the refused one was rolled back. The person is named only if the certificate is one
 * of theirs; nothing of what was sent is recorded. Never throws: the caller is about to, with the real reason.
 */
async function recordRefusal(
  db: Database,
  gatewayId: string,
  source: HopSource | undefined,
  error: unknown,
): Promise<void> {
  if (!isSallyportError(error) || error.code === 'database_unavailable') return;
  const { code, message, members } = error;
  const reasons = members['reasons'] as readonly string[] | undefined;
  const recorded = inTransaction(db, async (tx) => {
    const gateway = await tx
      .selectFrom('companions')
      .select(['name', 'organization_id'])
      .where('id', '=', gatewayId)
      .executeTakeFirst();
    const owner = source?.kind === 'certificate' ? await ownerOf(tx, source.certificate) : undefined;
    await recordEvent(tx, {
      event: 'certificate.refused',
      organizationId: gateway?.organization_id ?? null,
      accountId: owner?.account_id ?? null,
      sessionId: owner?.session_id ?? null,
      facts: {
        code,
        message,
        ...(reasons ? { reasons } : {}),
        ...(gateway ? { gateway: gateway.name } : {}),
      },
    });
  });
  await recorded.catch(() => {});
}

async function ownerOf(tx: Tx, { toBeSigned, publicKey }: Certificate) {
  return await tx
    .selectFrom('certificates')
    .select(['account_id', 'session_id'])
    .where('public_key', '=', publicKey)
    .where('to_be_signed', '=', toBeSigned)
    .executeTakeFirst();
}

function replyWith(
  certificate: Certificate,
  { hostName: host, sessionExpiresAt }: Pick<ToSign, 'hostName' | 'sessionExpiresAt'>,
): HopCertificateReply {
  const { blob, keyId, serial, validAfter, validBefore } = certificate;
  return {
    certificate: certificateLine(blob, keyId),
    serial: `${serial}`,
    key_id: keyId,
    host,
    valid_after: Number(validAfter),
    valid_before: Number(validBefore),
    session_expires_at: sessionExpiresAt,
  };
}
