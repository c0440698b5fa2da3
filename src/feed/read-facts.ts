/**
 * The facts that companions decide with, read for many of them at once: all from one snapshot, so that a version never
 * carries facts older than itself. What a whole organization shares is read once for each version.
 */
import { accountsOfOrganization, type NumberedAccount } from '../accounts/account.ts';
import type { Authority } from '../ca/authorities.ts';
import type { CertificateAuthority } from '../ca/certificate-authority.ts';
import { requireIssuingAllowed } from '../ca/issuing-allowed.ts';
import { type LeaseForFeed, leasesOfCompanions } from '../connections/leases.ts';
import { type RegisteredKeyForFeed, registeredKeysOfOrganization } from '../credentials/registered-keys.ts';
import type { Database, Tx } from '../database/database.ts';
import { inSnapshot } from '../database/transaction.ts';
import { rulesOfOrganization } from '../inventory/access-rules.ts';
import { type Companion, companionsById } from '../inventory/companion.ts';
import { type EmptyApp, emptyAppsOfCompanions } from '../inventory/empty-apps.ts';
import { servicesOfCompanions } from '../inventory/service.ts';
import { type Target, targetsOfCompanions } from '../inventory/target.ts';
import type { AccessRuleFacts, ServiceFacts } from '../policy/facts.ts';
import { readStateVersion } from '../revocation/state-version.ts';
import { endedSessionsOfOrganization } from './ended-sessions.ts';

export interface OrganizationFacts {
  readonly accounts: readonly NumberedAccount[];
  readonly rules: readonly AccessRuleFacts[];
  readonly endedSessions: readonly string[];
  readonly registeredKeys: readonly RegisteredKeyForFeed[];
}

/** What every machine is told. */
export interface CommonFacts {
  readonly version: bigint;
  readonly krlVersion: bigint;
  readonly userAuthorities: readonly Authority[];
  readonly hopAuthorities: readonly Authority[];
  readonly hostAuthorityLines: readonly string[];
}

export interface CompanionFacts {
  readonly companion: Companion & { readonly enrolledAt: Date };
  readonly organization: OrganizationFacts;
  readonly targets: readonly Target[];
  readonly services: readonly ServiceFacts[];
  readonly leases: readonly LeaseForFeed[];
  readonly emptyApps: readonly EmptyApp[];
}

export interface Facts {
  readonly common: CommonFacts;
  /** Those of the machines asked about that are enrolled and not revoked. */
  readonly byCompanion: ReadonlyMap<string, CompanionFacts>;
}

/** What one version says of organizations and of everybody; the next one replaces it. */
export class FactsOfVersion {
  #version = -1n;
  #common: CommonFacts | undefined;
  #organizations = new Map<string, OrganizationFacts>();

  /** @throws recovery_needed if the database may have forgotten revocations: what companions have is better than that */
  async read(
    db: Database,
    authority: Pick<CertificateAuthority, 'userAuthorities' | 'hopAuthorities' | 'hostAuthorityLines'>,
    { companionIds, now }: { companionIds: readonly string[]; now: Date },
  ): Promise<Facts> {
    return await inSnapshot(db, async (tx) => {
      await requireIssuingAllowed(tx);
      const { version, krlVersion } = await readStateVersion(tx);
      const kept = this.#at(version);
      const common = kept.common ?? {
        version,
        krlVersion,
        userAuthorities: await authority.userAuthorities(tx),
        hopAuthorities: await authority.hopAuthorities(tx),
        hostAuthorityLines: await authority.hostAuthorityLines(tx),
      };
      if (this.#version === version) this.#common = common;
      const companions = (await companionsById(tx, companionIds)).filter(isInUse);
      const ids = companions.map(({ id }) => id);
      const targets = await targetsOfCompanions(tx, ids);
      const services = await servicesOfCompanions(tx, ids);
      const leases = await leasesOfCompanions(tx, ids, now);
      const emptyApps = await emptyAppsOfCompanions(tx, ids);
      const byCompanion = new Map<string, CompanionFacts>();
      for (const companion of companions) {
        const { id, organizationId } = companion;
        const organization =
          kept.organizations.get(organizationId) ?? (await readOrganization(tx, organizationId, now));
        kept.organizations.set(organizationId, organization);
        byCompanion.set(id, {
          companion,
          organization,
          targets: targets.get(id) ?? [],
          services: services.get(id) ?? [],
          leases: leases.get(id) ?? [],
          emptyApps: emptyApps.get(id) ?? [],
        });
      }
      return { common, byCompanion };
    });
  }

  /** A reading of an older version than the newest keeps nothing and takes nothing. */
  #at(version: bigint): {
    common: CommonFacts | undefined;
    organizations: Map<string, OrganizationFacts>;
  } {
    if (version > this.#version) {
      this.#version = version;
      this.#common = undefined;
      this.#organizations = new Map();
    }
    if (version < this.#version) return { common: undefined, organizations: new Map() };
    return { common: this.#common, organizations: this.#organizations };
  }
}

function isInUse(companion: Companion): companion is CompanionFacts['companion'] {
  return companion.enrolledAt !== null && companion.revokedAt === null;
}

async function readOrganization(tx: Tx, organizationId: string, now: Date): Promise<OrganizationFacts> {
  return {
    accounts: await accountsOfOrganization(tx, organizationId),
    rules: await rulesOfOrganization(tx, organizationId),
    endedSessions: await endedSessionsOfOrganization(tx, organizationId, now),
    registeredKeys: await registeredKeysOfOrganization(tx, organizationId, now),
  };
}
