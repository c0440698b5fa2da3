/** The certificate authority's public face: what the rest of Sallyport asks of it. */
import type { PossessionChallenge } from '../api/certificates.ts';
import type { HopCertificateReply } from '../api/hop-certificates.ts';
import type { Database, DatabaseHandle } from '../database/database.ts';
import { refuseListedKey, type WeakKeyList } from '../ssh/weak-key-list.ts';
import { type Authority, trustedAuthorities } from './authorities.ts';
import { type CurrentKrl, createKrlSource } from './current-krl.ts';
import { registerFirstGenerations } from './first-generations.ts';
import { type HostCertificate, HostCertificates } from './host-certificates.ts';
import { type AskingForHop, issueHopCertificate } from './issue-hop-certificate.ts';
import { issueHostCertificate } from './issue-host-certificate.ts';
import { createUserCertificateIssuer, type UserCertificateIssuer } from './issue-user-certificate.ts';
import { type Issuing, publicOriginOf } from './issuing.ts';
import type { IssuingAlarm } from './issuing-alarm.ts';
import type { FirstSigners } from './key-files.ts';
import type { KrlBudget } from './krl-budget.ts';
import { createKrlNarrower, type KrlNarrower } from './narrow-krl.ts';
import { OpenCaKeys } from './open-ca-keys.ts';
import { createChallenge } from './possession.ts';
import type { SignerOpener } from './register-ca-key.ts';
import { type AskingToRegister, registerProvenKey } from './register-proven-key.ts';

export interface CertificateAuthorityOptions {
  readonly database: DatabaseHandle;
  readonly openSigner: SignerOpener;
  /** URIs of the signers of generation 1, where the database knows no key of a purpose yet. */
  readonly firstSigners: FirstSigners;
  /** DOMAIN of extensions and of signature namespaces: the public URL's host name. */
  readonly domain: string;
  /** Ours, which vouches for passkeys in certificates; https and the domain if it is left out. */
  readonly publicOrigin?: string;
  readonly clock: () => Date;
  /** Called once for each new reason why a CA key can't be used by this process. */
  readonly onProblem?: (error: unknown) => void;
  /** Called when issuing has stopped for everybody, and when it goes on. */
  readonly onAlarm?: (alarm: IssuingAlarm) => void;
  /** Called when the revocation list grows over its budget, and when it is within it again. */
  readonly onKrlBudgetCrossed?: (budget: KrlBudget) => void;
  /** Public keys that nobody may have certified, machines neither; none if it is left out. */
  readonly weakKeys?: WeakKeyList;
  /** How often the keys are read again in case a notification was lost. */
  readonly pollMilliseconds?: number;
}

export interface CertificateAuthority {
  readonly domain: string;
  /** @throws key_weak for a key that nobody may have certified */
  refuseListedKey(blob: Buffer): void;
  createChallenge(sessionId: string): Promise<PossessionChallenge>;
  readonly issueUserCertificate: UserCertificateIssuer;
  /** A gateway's certificate for one connection of a person to one host. */
  issueHopCertificate(asking: AskingForHop): Promise<HopCertificateReply>;
  /** Registers a key that its holder logs in with instead of certificates. @returns its id */
  registerKey(asking: AskingToRegister): Promise<string>;
  /** A new host certificate's line. */
  issueHostCertificate(companionId: string): Promise<string>;
  /** The line of the host certificate that the machine should have now; a new one only if it needs one. */
  hostCertificateFor(companionId: string): Promise<string>;
  /** The same for many, each with its certificate or why it has none. */
  hostCertificatesFor(companionIds: readonly string[]): Promise<ReadonlyMap<string, HostCertificate>>;
  currentKrl(): Promise<CurrentKrl>;
  /** What of a list can matter to a machine, where the whole one is over its budget. */
  readonly narrowKrl: KrlNarrower;
  /** The user CA keys that companions must trust, each with its canary; from `db`, which may be a snapshot. */
  userAuthorities(db?: Database): Promise<Authority[]>;
  /** The same of the hop CA, for hosts only. */
  hopAuthorities(db?: Database): Promise<Authority[]>;
  /** Public key lines of the host CA keys that helpers must trust. */
  hostAuthorityLines(db?: Database): Promise<string[]>;
  /** Closes the signers. */
  close(): Promise<void>;
}

/**
 * Registers the first generation of each CA key where there is none, opens those that there are, and from then on
 * follows every change of them.
 * @throws settings_invalid if a signer holds another key than the database knows; signer_failed, database_unavailable
 */
export async function createCertificateAuthority(
  options: CertificateAuthorityOptions,
): Promise<CertificateAuthority> {
  const { database, openSigner, firstSigners, domain, clock, onKrlBudgetCrossed, ...polling } = options;
  const { onProblem = () => {}, weakKeys = new Set() } = options;
  const { db } = database;
  await registerFirstGenerations(db, { openSigner, firstSigners }, clock());
  const keys = await OpenCaKeys.open({ database, openSigner, clock, ...polling, onProblem });
  const publicOrigin = publicOriginOf(options);
  const issuing: Issuing = { db, domain, publicOrigin, clock, keys, weakKeys };
  const hostCertificates = new HostCertificates(issuing);
  return {
    domain,
    refuseListedKey: (blob) => refuseListedKey(weakKeys, blob),
    createChallenge: (sessionId) => createChallenge(issuing, sessionId),
    issueUserCertificate: createUserCertificateIssuer(issuing, options.onAlarm),
    issueHopCertificate: (asking) => issueHopCertificate(issuing, asking),
    registerKey: (asking) => registerProvenKey(issuing, asking),
    issueHostCertificate: (companionId) => issueHostCertificate(issuing, companionId),
    hostCertificateFor: (companionId) => hostCertificates.of(companionId),
    hostCertificatesFor: (companionIds) => hostCertificates.ofAll(companionIds),
    currentKrl: createKrlSource(issuing, onKrlBudgetCrossed),
    narrowKrl: createKrlNarrower(issuing),
    userAuthorities: (from = db) => trustedAuthorities(from, 'user', domain),
    hopAuthorities: (from = db) => trustedAuthorities(from, 'hop', domain),
    hostAuthorityLines: async (from = db) => {
      const authorities = await trustedAuthorities(from, 'host', domain);
      return authorities.map(({ publicKeyLine }) => publicKeyLine);
    },
    close: () => keys.close(),
  };
}
