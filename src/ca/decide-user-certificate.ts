/**
 * Steps 3 and 4 of issuing user certificates: the facts of a whole group, each kind with one statement, and the decisions
 * that are made of them alone.
 */
import { type Account, loadAccounts } from '../accounts/account.ts';
import type { EnvironmentName } from '../api/certificates.ts';
import { gatewayAddresses, rangesOfTokens } from '../credentials/certificate-sources.ts';
import { policyRefusal } from '../credentials/policy-refusal.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { rulesForAccount } from '../inventory/access-rules.ts';
import { agentAppsOf } from '../inventory/agent-apps.ts';
import { environmentsByName } from '../inventory/environment-facts.ts';
import { type MachineByHostKey, machinesByHostKey } from '../inventory/machines-by-host-key.ts';
import { type AgentApp, mayForwardAgent } from '../policy/agent-forwarding.ts';
import {
  type CertificateDecision,
  type CertificateFacts,
  decideCertificate,
} from '../policy/decide-certificate.ts';
import { decideMachineCertificate } from '../policy/decide-machine.ts';
import { decideNarrowedCertificate } from '../policy/decide-narrowed.ts';
import type { AccessRuleFacts, EnvironmentFacts } from '../policy/facts.ts';
import { decideSource } from '../policy/pin-source.ts';
import type { Session } from '../sessions/session.ts';
import { decideKey, type PresentedKey, readKeys } from './presented-key.ts';
import type { RememberedKey } from './proven-keys.ts';

/** Whose certificate it is to be, and what else the request says. */
export interface Asking {
  readonly session: Session;
  readonly accountId: string;
  readonly sessionId: string;
  readonly key: PresentedKey;
  /** Where the request came from; null: nobody knows. */
  readonly clientAddress: string | null;
  /** What the certificate is to be narrowed to. */
  readonly environment: EnvironmentName | undefined;
  /** Fingerprint of the host key of the one machine that the certificate is to be good for. */
  readonly machine: string | undefined;
}

export interface Decided {
  readonly account: Account;
  readonly decision: CertificateDecision & { readonly allowed: true };
  /** Addresses and networks that it may be used from; none: from everywhere. */
  readonly sources: readonly string[];
  /** What it is narrowed to. */
  readonly narrowedTo: EnvironmentFacts | undefined;
  /** The one machine that it is good for. */
  readonly onlyFor: MachineByHostKey | undefined;
  /** The authority that vouches for the key now, PEM. */
  readonly authority: string | undefined;
}

export interface GroupFacts {
  readonly accounts: ReadonlyMap<string, Account>;
  /** By API token. */
  readonly ranges: ReadonlyMap<string, readonly string[]>;
  /** By organization. */
  readonly gateways: ReadonlyMap<string, readonly string[]>;
  /** By organization: apps that allow agents to be forwarded. */
  readonly agentApps: ReadonlyMap<string, readonly AgentApp[]>;
  /** By account; of those whose certificate depends on them. */
  readonly rules: ReadonlyMap<string, readonly AccessRuleFacts[]>;
  readonly environments: ReadonlyMap<Asking, EnvironmentFacts>;
  /** Of those whose keys may have been seen before. */
  readonly keys: ReadonlyMap<Asking, RememberedKey>;
  readonly machines: ReadonlyMap<Asking, MachineByHostKey>;
}

export async function readFacts(tx: Tx, group: readonly Asking[]): Promise<GroupFacts> {
  const accounts = await loadAccounts(
    tx,
    group.map(({ accountId }) => accountId),
  );
  const tokens = group.filter(({ session }) => session.kind === 'token');
  const ranges = await rangesOfTokens(
    tx,
    tokens.flatMap(({ session }) => session.credentialId ?? []),
  );
  const bound = group.flatMap((asking) => {
    const account = accounts.get(asking.accountId);
    const isBound = account?.organization.sourcePinning !== 'off' || ranges.has(credentialOf(asking));
    return account && isBound ? [account.organizationId] : [];
  });
  const gateways = await gatewayAddresses(tx, bound);
  const agentApps = await agentAppsOf(tx, [
    ...new Set([...accounts.values()].map(({ organizationId }) => organizationId)),
  ]);
  const environments = await readEnvironments(tx, group, accounts);
  const machines = await readMachines(tx, group, accounts);
  const dependent = group.filter(({ accountId, environment, machine }) => {
    const account = accounts.get(accountId);
    const isNarrower = environment !== undefined || machine !== undefined;
    return account !== undefined && (isNarrower || agentApps.has(account.organizationId));
  });
  return {
    accounts,
    ranges,
    gateways,
    agentApps,
    environments,
    machines,
    keys: await readKeys(tx, group),
    rules: await readRules(tx, dependent),
  };
}

async function readEnvironments(
  tx: Tx,
  group: readonly Asking[],
  accounts: GroupFacts['accounts'],
): Promise<GroupFacts['environments']> {
  const narrowed = group.flatMap((asking) => {
    const account = accounts.get(asking.accountId);
    const { environment } = asking;
    return account && environment ? [{ asking, organizationId: account.organizationId, ...environment }] : [];
  });
  const found = await environmentsByName(tx, narrowed);
  return new Map([...found].map(([{ asking }, facts]) => [asking, facts]));
}

async function readMachines(
  tx: Tx,
  group: readonly Asking[],
  accounts: GroupFacts['accounts'],
): Promise<GroupFacts['machines']> {
  const wanted = group.flatMap((asking) => {
    const account = accounts.get(asking.accountId);
    const { machine: fingerprint } = asking;
    return account && fingerprint ? [{ asking, organizationId: account.organizationId, fingerprint }] : [];
  });
  const found = await machinesByHostKey(tx, wanted);
  return new Map([...found].map(([{ asking }, machine]) => [asking, machine]));
}

async function readRules(tx: Tx, asking: readonly Asking[]): Promise<GroupFacts['rules']> {
  const rules = new Map<string, readonly AccessRuleFacts[]>();
  for (const { accountId } of asking) {
    if (!rules.has(accountId)) rules.set(accountId, await rulesForAccount(tx, accountId));
  }
  return rules;
}

/** @throws session_ended, access_denied, insufficient_user_authentication, not_found, key_possession_unproven */
export function decideUserCertificate(asking: Asking, facts: GroupFacts, now: Date): Decided {
  const { session, accountId, clientAddress } = asking;
  const account = facts.accounts.get(accountId);
  if (account === undefined) throw new SallyportError('not_found', 'There is no such account.');
  const { organization } = account;
  const { key, authority } = decideKey(asking.key, facts.keys.get(asking), now);
  const about = { account: account.facts, organization, session: session.facts, key };
  const nowSeconds = Math.floor(now.getTime() / 1000);
  const rules = facts.rules.get(accountId) ?? [];
  const decision = decisionOn({ ...about, rules }, asking, facts, nowSeconds);
  if (!decision.allowed) throw policyRefusal(decision.reasons);
  const forwardsAgent = mayForwardAgent({
    ...about,
    apps: agentAppsFor(asking, facts.agentApps.get(account.organizationId) ?? []),
    rules,
    nowSeconds,
  });
  const source = decideSource({
    pinning: organization.sourcePinning,
    clientAddress,
    ranges: facts.ranges.get(credentialOf(asking)) ?? [],
    gateways: facts.gateways.get(account.organizationId) ?? [],
  });
  if (!source.allowed) throw policyRefusal([source.reason]);
  const extensions = forwardsAgent
    ? ['permit-agent-forwarding', ...decision.extensions]
    : decision.extensions;
  const narrowedTo = facts.environments.get(asking);
  const onlyFor = facts.machines.get(asking);
  return {
    account,
    decision: { ...decision, extensions },
    sources: source.sources,
    narrowedTo,
    onlyFor,
    authority,
  };
}

/** For everything, for one environment, or for one machine. */
function decisionOn(
  about: CertificateFacts & { readonly rules: readonly AccessRuleFacts[] },
  asking: Asking,
  { environments, machines }: GroupFacts,
  nowSeconds: number,
): CertificateDecision {
  if (asking.machine !== undefined) {
    return decideMachineCertificate({ ...about, machine: machines.get(asking) }, nowSeconds);
  }
  if (asking.environment === undefined) return decideCertificate(about, nowSeconds);
  return decideNarrowedCertificate({ ...about, environment: environments.get(asking) }, nowSeconds);
}

/** Of a narrowed certificate those of its environment alone count. */
function agentAppsFor({ environment: narrowed }: Asking, apps: readonly AgentApp[]): readonly AgentApp[] {
  if (narrowed === undefined) return apps;
  return apps.filter(
    ({ project, environment }) => project === narrowed.project && environment === narrowed.environment,
  );
}

/** '' is no credential's id. */
function credentialOf({ session }: Asking): string {
  return session.credentialId ?? '';
}
