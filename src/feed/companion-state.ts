/**
 * A companion's state: everything it decides with, whole. All facts and the version come from one snapshot, so a
 * version never carries facts older than itself.
 */
import { accountsOfOrganization } from '../accounts/account.ts';
import type { CompanionState } from '../api/companions.ts';
import type { Authority } from '../ca/authorities.ts';
import type { CertificateAuthority } from '../ca/certificate-authority.ts';
import type { CurrentKrl } from '../ca/current-krl.ts';
import { requireIssuingAllowed } from '../ca/issuing-allowed.ts';
import { type LeaseForFeed, leasesOfCompanion } from '../connections/leases.ts';
import { type RegisteredKeyForFeed, registeredKeysOfOrganization } from '../credentials/registered-keys.ts';
import type { DatabaseHandle, Tx } from '../database/database.ts';
import { inSnapshot } from '../database/transaction.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { rulesOfOrganization } from '../inventory/access-rules.ts';
import { type Companion, companionById, notEnrolled } from '../inventory/companion.ts';
import { servicesOfCompanion } from '../inventory/service.ts';
import { type Target, targetsOfCompanion } from '../inventory/target.ts';
import type { ServiceFacts } from '../policy/facts.ts';
import { readStateVersion } from '../revocation/state-version.ts';
import { endedSessionsOfOrganization } from './ended-sessions.ts';
import { type RelevantFacts, relevantFacts } from './relevant-facts.ts';

export interface StateParts {
  readonly database: DatabaseHandle;
  readonly authority: CertificateAuthority;
  readonly publicUrl: URL;
  readonly clock: () => Date;
}

interface Snapshot extends RelevantFacts {
  readonly version: bigint;
  readonly krlVersion: bigint;
  readonly userAuthorities: readonly Authority[];
  readonly hopAuthorities: readonly Authority[];
  readonly companion: Companion;
  readonly enrolledAt: Date;
  readonly targets: readonly Target[];
  readonly endedSessions: readonly string[];
  readonly services: readonly ServiceFacts[];
  readonly registeredKeys: readonly RegisteredKeyForFeed[];
  readonly leases: readonly LeaseForFeed[];
}

export interface StateOfEnrolment {
  readonly state: CompanionState;
  /** Another machine that enrols in this one's place has another moment: what was opened before is not its. */
  readonly enrolledAt: Date;
  /** Why its revocation list is an older one; undefined if it is not. */
  readonly behind?: unknown;
}

/**
 * @throws token_invalid or enrolment_refused if the companion is revoked or not enrolled; recovery_needed if the database
 *   may have forgotten revocations: what the companion has is better than that
 */
export async function companionState(parts: StateParts, companionId: string): Promise<StateOfEnrolment> {
  const { authority, publicUrl, clock } = parts;
  const now = clock();
  const { snapshot, krl } = await readTogether(parts, { companionId, now });
  const { companion, enrolledAt } = snapshot;
  const state: CompanionState = {
    format: 1,
    version: `${snapshot.version}`,
    companion: {
      id: companion.id,
      name: companion.name,
      kind: companion.kind,
      gateway_login: companion.gatewayLogin,
    },
    generated_at: Math.floor(now.getTime() / 1000),
    user_authorities: snapshot.userAuthorities.map(authorityOf),
    ...(companion.kind === 'host' && { hop_authorities: snapshot.hopAuthorities.map(authorityOf) }),
    krl: {
      version: krl.version,
      data: krl.data.toString('base64'),
      signature: krl.signature,
      signatures: [...krl.signatures],
    },
    host_certificate: await authority.hostCertificateFor(companion.id),
    targets: snapshot.targets.map(({ organizationId: _, ...target }) => target),
    accounts: snapshot.accounts.map((account) => ({ ...account, groups: [...account.groups] })),
    access_rules: [...snapshot.rules],
    services: [...snapshot.services],
    host_authorities: await authority.hostAuthorityLines(),
    registered_keys: snapshot.registeredKeys.map(({ account, sessionId, publicKey, expiresAt }) => ({
      account,
      session_id: sessionId,
      public_key: publicKey,
      expires_at: Math.floor(expiresAt.getTime() / 1000),
    })),
    leases: snapshot.leases.map(({ id, network, port, expiresAt }) => ({
      id,
      network,
      port,
      expires_at: Math.floor(expiresAt.getTime() / 1000),
    })),
    ended_sessions: [...snapshot.endedSessions],
    public_url: publicUrl.href,
  };
  return { state, enrolledAt, ...(krl.behind !== undefined && { behind: krl.behind }) };
}

/** How often facts are read again because the list was newer: it changes faster than that under a storm only. */
const mostReadings = 3;

/**
 * The facts and a revocation list that is not older. The list reads the database itself, so it may be newer; as that may
 * be about a CA key which the facts still name, they are read again then.
 */
async function readTogether(
  parts: StateParts,
  asked: { companionId: string; now: Date },
): Promise<{ snapshot: Snapshot; krl: CurrentKrl }> {
  for (let reading = 1; ; reading += 1) {
    const snapshot = await inSnapshot(parts.database.db, (tx) => readSnapshot(tx, parts, asked));
    const krl = await parts.authority.currentKrl();
    // An older list with newer facts lets nobody in: companions refuse ended sessions by the facts already.
    if (krl.behind !== undefined) return { snapshot, krl };
    requireAtLeast(krl, snapshot.krlVersion);
    if (BigInt(krl.version) === snapshot.krlVersion || reading === mostReadings) return { snapshot, krl };
  }
}

function authorityOf({ publicKeyLine, canaryLine }: Authority): CompanionState['user_authorities'][number] {
  return { public_key: publicKeyLine, canary: canaryLine };
}

async function readSnapshot(
  tx: Tx,
  { authority }: Pick<StateParts, 'authority'>,
  { companionId, now }: { companionId: string; now: Date },
): Promise<Snapshot> {
  await requireIssuingAllowed(tx);
  const { version, krlVersion } = await readStateVersion(tx);
  const companion = await companionById(tx, companionId);
  const { organizationId, enrolledAt } = companion;
  if (enrolledAt === null || companion.revokedAt !== null) throw notEnrolled();
  const targets = await targetsOfCompanion(tx, companionId);
  const everything = {
    accounts: await accountsOfOrganization(tx, organizationId),
    rules: await rulesOfOrganization(tx, organizationId),
  };
  return {
    version,
    krlVersion,
    userAuthorities: await authority.userAuthorities(tx),
    hopAuthorities: await authority.hopAuthorities(tx),
    companion,
    enrolledAt,
    targets,
    endedSessions: await endedSessionsOfOrganization(tx, organizationId, now),
    services: await servicesOfCompanion(tx, companionId),
    registeredKeys: await registeredKeysOfOrganization(tx, organizationId, now),
    leases: await leasesOfCompanion(tx, companionId, now),
    ...relevantFacts(targets, everything, Math.floor(now.getTime() / 1000)),
  };
}

/** A list older than the facts beside it would be a revocation taken back. */
function requireAtLeast(krl: CurrentKrl, version: bigint): void {
  if (BigInt(krl.version) >= version) return;
  throw new SallyportError('unavailable', 'The revocation list is not ready. Try again.', {
    detail: `list ${krl.version}, facts ${version}`,
  });
}
