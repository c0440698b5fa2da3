/**
 * Issues user certificates, in the steps of docs/how-a-certificate-is-issued.md. One transaction holds the login session,
 * decides and stores the bytes to be signed; only after its commit are they signed. So a crash at any line leaves a
 * certificate that is recorded and can be revoked, or none; and a revocation, which takes the same session's row, misses
 * none that is under way. Requests that come together share the transaction.
 */
import { randomBytes } from 'node:crypto';
import type { CertificateReply, CertificateRequest } from '../api/certificates.ts';
import type { Tx } from '../database/database.ts';
import { createGroupCommit, type GroupWork, type Outcome, Outcomes } from '../database/group-commit.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { backdateSeconds, certificateLifeSeconds } from '../policy/decide-certificate.ts';
import { type LockedSession, lockLiveSessions } from '../sessions/lock-live-session.ts';
import { type Session, sessionEnded } from '../sessions/session.ts';
import { type Certificate, type CertificateFields, nonceLength } from '../ssh/certificate.ts';
import { certificateLine, encodeToBeSigned } from '../ssh/encode-certificate.ts';
import { lintUserCertificate } from '../ssh/lint-certificate.ts';
import { isRolePrincipal, keyIdFor, parseKeyId } from '../ssh/names.ts';
import { certificateExtensions } from './certificate-extensions.ts';
import {
  certificatesOfRequests,
  type NewCertificate,
  type StoredCertificate,
  storeCertificates,
} from './certificate-store.ts';
import { compareWithDecision } from './compare-with-decision.ts';
import { type Asking, type Decided, decideUserCertificate, readFacts } from './decide-user-certificate.ts';
import { type Issuing, publicOriginOf } from './issuing.ts';
import { type IssuingAlarm, watchIssuing } from './issuing-alarm.ts';
import { requireIssuingAllowed } from './issuing-allowed.ts';
import { challengeRefused, consumeChallenges } from './possession.ts';
import { readPresentedKey, rememberKey } from './presented-key.ts';
import { recordRefusal } from './record-refusal.ts';
import { nextSerials } from './serials.ts';
import { signCertificate } from './sign-certificate.ts';
import { subjectKeyFaults } from './subject-key.ts';

export interface UserCertificateRequest {
  /** Who asks, as authentication found; everything else is looked up. */
  readonly sessionId: string;
  readonly request: CertificateRequest;
  /** Where the request came from, as the server sees it behind its trusted proxies. */
  readonly clientAddress?: string;
}

/**
 * Issues one certificate. A request that is sent again, after a lost reply, gets the same bytes signed again.
 * @throws the key's faults, key_reserved, key_revoked, key_possession_unproven, session_ended, access_denied,
 *   request_malformed, signer_failed, database_unavailable; then no certificate leaves
 */
export type UserCertificateIssuer = (asking: UserCertificateRequest) => Promise<CertificateReply>;

export function createUserCertificateIssuer(
  issuing: Issuing,
  onAlarm: (alarm: IssuingAlarm) => void = () => {},
): UserCertificateIssuer {
  const watch = watchIssuing(onAlarm);
  const commit = createGroupCommit({
    db: issuing.db,
    lineOf: ({ sessionId }: Asked) => sessionId,
    work: (tx, group, how) => decideAndStore(tx, issuing, group, how),
  });
  return async (asking) => {
    try {
      const stored = await readAndStore(asking);
      const certificate = await signStored(issuing, stored);
      watch.issued();
      return replyWith(certificate);
    } catch (error) {
      watch.failed(error);
      throw error;
    }
  };

  async function readAndStore(asking: UserCertificateRequest): Promise<ToSign> {
    try {
      return await commit(readRequest(issuing, asking));
    } catch (error) {
      await recordRefusal(issuing.db, asking.sessionId, error);
      throw error;
    }
  }
}

/** A request, read and checked as far as it can be without the database. */
interface Asked extends Pick<Asking, 'clientAddress' | 'environment' | 'machine' | 'key'> {
  readonly sessionId: string;
  readonly requestId: string;
  /** SSH public key blob. */
  readonly publicKey: Buffer;
}

/** What is signed after the commit, and by which key. */
type ToSign = Pick<StoredCertificate, 'caKeyId' | 'toBeSigned'>;

/** Step 1: the key is one that may be certified, and whoever asks holds its private half. */
function readRequest(issuing: Issuing, asking: UserCertificateRequest): Asked {
  const { sessionId, request, clientAddress = null } = asking;
  const { request_id, environment, machine } = request;
  const key = readPresentedKey(issuing, sessionId, request);
  return {
    sessionId,
    // As the database writes it: the same request, whatever case its client writes letters in.
    requestId: request_id.toLowerCase(),
    publicKey: key.publicKey,
    key,
    clientAddress,
    environment,
    machine,
  };
}

/** Steps 2 to 9, for a whole group. Nothing is written for one that is refused: the writing comes last. */
async function decideAndStore(
  tx: Tx,
  issuing: Issuing,
  group: readonly Asked[],
  how: GroupWork,
): Promise<ReadonlyMap<Asked, Outcome<ToSign>>> {
  const now = issuing.clock();
  const outcomes = new Outcomes<Asked, ToSign>();

  // 2. Each session's row is locked: it can't be ended before this transaction is over.
  const sessionIds = group.map(({ sessionId }) => sessionId);
  const sessions = await lockLiveSessions(tx, sessionIds, how, now);
  const locked = outcomes.step(new Map(group.map((asked) => [asked, asked])), (asked) => {
    const session = sessions.get(asked.sessionId);
    if (session === 'held') return outcomes.settle(asked, { retry: 'alone' });
    return { ...asked, ...ownerOf(session) };
  });

  // 3. The facts.
  const facts = await readFacts(tx, [...locked.values()]);

  // 4. The decision, which is made of facts alone.
  const decided = outcomes.step(locked, (known) => ({
    ...known,
    ...decideUserCertificate(known, facts, now),
  }));

  // 5. What this request was given before, it is given again. Only now: what was stored and never signed must not leave
  // once its account may have none any more.
  const earlier = await certificatesOfRequests(tx, [...decided.values()]);
  if (earlier.size > 0) await requireIssuingAllowed(tx);
  const fresh = outcomes.step(decided, (known, asked) => {
    const stored = earlier.get(known);
    if (stored === undefined) return known;
    return outcomes.settle(asked, { result: repeatable(issuing, stored, known, now) });
  });

  // 6. The key is nobody else's.
  const faults = await subjectKeyFaults(tx, [...fresh.values()]);
  const holders = new Map<string, string>();
  const free = outcomes.step(fresh, (known, asked) => {
    const fault = faults.get(known);
    if (fault !== undefined) throw fault;
    // Two of one group, neither stored yet: the second comes again when the first is.
    const holder = holders.get(asked.publicKey.toString('hex')) ?? known.accountId;
    if (holder !== known.accountId) return outcomes.settle(asked, { retry: 'alone' });
    holders.set(asked.publicKey.toString('hex'), holder);
    return known;
  });

  // 7. The bytes to be signed, read again and held against the decision.
  const serials = await nextSerials(tx, free.size, now);
  const encoded = outcomes.step(free, (known) => ({
    ...known,
    certificate: encode(issuing, known, serials.shift() ?? 0n, now),
  }));

  // 8. The challenge is used up, where there is one.
  const answers = [...encoded.values()].flatMap(answerOf);
  const used = new Set([...(await consumeChallenges(tx, answers, now))].map(({ of }) => of));
  const proven = outcomes.step(encoded, (known) => {
    if (known.key.proof !== undefined && !used.has(known)) throw challengeRefused();
    return known;
  });

  // 9. Stored, with the decision and the audit event; the commit follows.
  await storeCertificates(
    tx,
    [...proven.values()].map(({ certificate }) => certificate),
  );
  for (const known of proven.values()) await rememberKey(tx, known, now);
  outcomes.step(proven, ({ certificate }, asked) => outcomes.settle(asked, { result: certificate }));
  return outcomes.settled;
}

function answerOf<Of extends Pick<Asked, 'sessionId' | 'key'>>(of: Of) {
  const { sessionId, key } = of;
  return key.proof === undefined ? [] : [{ sessionId, challenge: key.proof.challenge, of }];
}

/** Whose session it is. @throws session_ended, forbidden */
function ownerOf(session: LockedSession | undefined): { session: Session; accountId: string } {
  if (session === undefined || session === 'ended' || session === 'held') throw sessionEnded();
  if (session.kind === 'browser') {
    throw new SallyportError('forbidden', 'A browser session gets no SSH certificates. Run: sally login');
  }
  return { session, accountId: session.accountId };
}

interface Known extends Asked, Decided {
  readonly session: Session;
}

/** What was stored for this request before, if it may be handed out again. @throws request_malformed */
function repeatable(
  { keys }: Issuing,
  earlier: StoredCertificate,
  { publicKey, decision, onlyFor }: Known,
  now: Date,
): StoredCertificate {
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
  // Narrowed to another environment, or not narrowed; or with a role that is not held any more.
  const wanted = decision.principals.filter(isRolePrincipal);
  const stored = earlier.principals.filter(isRolePrincipal);
  const isForTheSame = earlier.companionId === (onlyFor?.id ?? null);
  if (!isForTheSame || stored.length !== wanted.length || !stored.every((role) => wanted.includes(role))) {
    throw new SallyportError(
      'request_malformed',
      `This request_id was used for a certificate with other roles, or for another machine. ${again}`,
    );
  }
  return earlier;
}

/** @throws certificate_refused if the bytes would not say what was decided, or what no certificate may say */
function encode(issuing: Issuing, known: Known, serial: bigint, now: Date): NewCertificate {
  const { sessionId, requestId, publicKey, session, account, decision, sources, narrowedTo, onlyFor } = known;
  const caKey = issuing.keys.active('user');
  const fields: CertificateFields = {
    kind: 'user',
    publicKey,
    nonce: randomBytes(nonceLength),
    serial,
    keyId: keyIdFor(account.facts.name, sessionId),
    principals: decision.principals,
    validAfter: BigInt(decision.validAfterSeconds),
    validBefore: BigInt(decision.validBeforeSeconds),
    criticalOptions: [
      ...(sources.length > 0 ? [{ name: 'source-address', value: sources.join(',') }] : []),
      ...(decision.verifyRequired ? [{ name: 'verify-required', value: '' }] : []),
    ],
    extensions: certificateExtensions({
      domain: issuing.domain,
      account: account.facts,
      session: session.facts,
      issuer: session.issuer,
      publicOrigin: publicOriginOf(issuing),
      permissions: decision.extensions,
      mfa: decision.mfa,
      ...(onlyFor === undefined ? {} : { machine: onlyFor.name }),
    }),
    caPublicKey: caKey.publicKey,
  };
  const toBeSigned = encodeToBeSigned(fields);
  lintUserCertificate(toBeSigned, {
    now: BigInt(unixSeconds(now)),
    maxLifetime: BigInt(certificateLifeSeconds),
    maxBackdate: BigInt(backdateSeconds),
  });
  compareWithDecision(toBeSigned, fields);
  return {
    kind: 'user',
    caKeyId: caKey.id,
    fields,
    toBeSigned,
    decision: {
      account: account.facts,
      organization: account.organization,
      session: session.facts,
      decision,
      sources,
      ...(narrowedTo === undefined ? {} : { environment: narrowedTo }),
      ...(onlyFor === undefined ? {} : { machine: onlyFor.name }),
    },
    organizationId: account.organizationId,
    login: { accountId: account.id, sessionId, requestId },
    // Whoever revokes the machine revokes it too.
    ...(onlyFor === undefined ? {} : { companionId: onlyFor.id }),
  };
}

/** Step 10: signed, verified, and read once more. @throws signer_failed */
async function signStored({ keys }: Issuing, { caKeyId, toBeSigned }: ToSign): Promise<Certificate> {
  return await signCertificate(toBeSigned, keys.byId(caKeyId)?.signer);
}

function unixSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
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
