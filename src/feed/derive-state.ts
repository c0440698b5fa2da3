/** A companion's document from facts. Pure; what is equal for several companions is the same object for all of them. */

import type { NumberedAccount } from '../accounts/account.ts';
import type { CompanionState } from '../api/companions.ts';
import type { Authority } from '../ca/authorities.ts';
import type { CurrentKrl } from '../ca/current-krl.ts';
import type { Target } from '../inventory/target.ts';
import type { CommonFacts, CompanionFacts, OrganizationFacts } from './read-facts.ts';
import { type RelevantFacts, relevantFacts } from './relevant-facts.ts';

export interface StateSource {
  readonly common: CommonFacts;
  readonly facts: CompanionFacts;
  readonly relevant: RelevantFacts<NumberedAccount>;
  readonly krl: CurrentKrl;
  readonly hostCertificate: string;
  readonly publicUrl: URL;
  readonly now: Date;
}

export function deriveState(source: StateSource): CompanionState {
  const { common, facts, relevant, krl, hostCertificate, publicUrl, now } = source;
  const { companion, organization, targets, services, leases, emptyApps } = facts;
  return {
    format: 1,
    version: `${common.version}`,
    companion: {
      id: companion.id,
      name: companion.name,
      kind: companion.kind,
      gateway_login: companion.gatewayLogin,
      ...(companion.ports.length > 0 && { ports: [companion.port, ...companion.ports] }),
    },
    generated_at: unixSeconds(now),
    user_authorities: shared(common.userAuthorities, authoritiesOf),
    ...(companion.kind === 'host' && { hop_authorities: shared(common.hopAuthorities, authoritiesOf) }),
    krl: shared(krl, krlDocument),
    host_certificate: hostCertificate,
    targets: targets.map((target) => shared(target, targetDocument)),
    accounts: shared(relevant.accounts, (accounts) =>
      accounts.map((account) => ({ ...account, groups: [...account.groups] })),
    ),
    access_rules: shared(relevant.rules, (rules) => [...rules]),
    services: [...services],
    host_authorities: shared(common.hostAuthorityLines, (lines) => [...lines]),
    registered_keys: keysAt(organization, unixSeconds(now)),
    leases: leases.map(({ id, network, port, expiresAt }) => ({
      id,
      network,
      port,
      expires_at: unixSeconds(expiresAt),
    })),
    ...(emptyApps.length > 0 && { empty_apps: [...emptyApps] }),
    ended_sessions: shared(organization.endedSessions, (ids) => [...ids]),
    public_url: publicUrl.href,
  };
}

const relevantOf = new WeakMap<OrganizationFacts, Map<string, RelevantFacts<NumberedAccount>>>();

/** The part of the organization's facts that matters where these targets are. */
export function relevantTo(
  { organization, targets }: Pick<CompanionFacts, 'organization' | 'targets'>,
  now: Date,
): RelevantFacts<NumberedAccount> {
  const places = new Set(targets.map((one) => `${one.organization}/${one.project}/${one.environment}`));
  const seconds = unixSeconds(now);
  const prefix = `${seconds} `;
  const key = `${prefix}${[...places].sort().join(' ')}`;
  const known = relevantOf.get(organization) ?? new Map<string, RelevantFacts<NumberedAccount>>();
  // Rules expire, so what was so a second ago may not be any more.
  for (const older of known.keys()) if (!older.startsWith(prefix)) known.delete(older);
  const relevant = known.get(key) ?? relevantFacts(targets, organization, seconds);
  relevantOf.set(organization, known.set(key, relevant));
  return relevant;
}

function keysAt(
  { registeredKeys }: OrganizationFacts,
  nowSeconds: number,
): CompanionState['registered_keys'] {
  return shared(registeredKeys, (keys) =>
    keys.map(({ account, sessionId, publicKey, expiresAt }) => ({
      account,
      session_id: sessionId,
      public_key: publicKey,
      expires_at: unixSeconds(expiresAt),
    })),
  ).filter(({ expires_at }) => expires_at > nowSeconds);
}

function authoritiesOf(authorities: readonly Authority[]): CompanionState['user_authorities'] {
  return authorities.map(({ publicKeyLine, canaryLine }) => ({
    public_key: publicKeyLine,
    canary: canaryLine,
  }));
}

function krlDocument({ version, data, signature, signatures }: CurrentKrl): CompanionState['krl'] {
  return { version, data: data.toString('base64'), signature, signatures: [...signatures] };
}

function targetDocument({ organizationId: _, ...target }: Target): CompanionState['targets'][number] {
  return target;
}

const made = new WeakMap<object, unknown>();

/** What `make` makes of the same facts is made once. */
function shared<From extends object, To>(from: From, make: (from: From) => To): To {
  const known = made.get(from) as To | undefined;
  if (known !== undefined) return known;
  const now = make(from);
  made.set(from, now);
  return now;
}

function unixSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
