/** The certificate authority's public face: what the rest of Sallyport asks of it. */
import type { CertificateReply, PossessionChallenge } from '../api/certificates.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { certificateLine } from '../ssh/encode-certificate.ts';
import { publicKeyLine } from '../ssh/public-key.ts';
import { registerActiveKeys } from './active-keys.ts';
import { readCanary } from './canary.ts';
import { type CurrentKrl, createKrlSource } from './current-krl.ts';
import { hostCertificateFor, issueHostCertificate } from './issue-host-certificate.ts';
import { issueUserCertificate, type UserCertificateRequest } from './issue-user-certificate.ts';
import type { Issuing, Purpose } from './issuing.ts';
import { createChallenge } from './possession.ts';
import type { Signer } from './signer.ts';

export interface CertificateAuthorityOptions {
  readonly database: DatabaseHandle;
  readonly userSigner: Signer;
  readonly hostSigner: Signer;
  /** DOMAIN of extensions and of signature namespaces: the public URL's host name. */
  readonly domain: string;
  readonly clock: () => Date;
}

export interface UserAuthority {
  readonly publicKeyLine: string;
  /** Certificate that every KRL revokes. */
  readonly canaryLine: string;
}

export interface CertificateAuthority {
  readonly domain: string;
  createChallenge(sessionId: string): Promise<PossessionChallenge>;
  issueUserCertificate(request: UserCertificateRequest): Promise<CertificateReply>;
  /** A new host certificate's line. */
  issueHostCertificate(companionId: string): Promise<string>;
  /** The line of the host certificate that the machine should have now; a new one only if it needs one. */
  hostCertificateFor(companionId: string): Promise<string>;
  currentKrl(): Promise<CurrentKrl>;
  userAuthorities(): Promise<UserAuthority[]>;
  /** Public key lines of the host CA. */
  hostAuthorityLines(): Promise<string[]>;
}

/**
 * Registers the signers' keys, or finds them registered, and gives the user CA its canary.
 * @throws settings_invalid if the database was set up with other keys; signer_failed, database_unavailable
 */
export async function createCertificateAuthority(
  options: CertificateAuthorityOptions,
): Promise<CertificateAuthority> {
  const { domain, clock } = options;
  const { db } = options.database;
  const signers = { user: options.userSigner, host: options.hostSigner };
  const keys = await registerActiveKeys(db, signers, clock());
  const user: Issuing = { db, domain, clock, key: keys.user };
  const host: Issuing = { db, domain, clock, key: keys.host };
  return {
    domain,
    createChallenge: (sessionId) => createChallenge(user, sessionId),
    issueUserCertificate: (request) => issueUserCertificate(user, request),
    issueHostCertificate: (companionId) => issueHostCertificate(host, companionId),
    hostCertificateFor: (companionId) => hostCertificateFor(host, companionId),
    currentKrl: createKrlSource(user),
    userAuthorities: () => userAuthorities(user),
    hostAuthorityLines: async () => [authorityLine(host, 'host')],
  };
}

/** The keys that companions must trust, each with its canary. */
async function userAuthorities(user: Issuing): Promise<UserAuthority[]> {
  const canary = await readCanary(user.db, user.key);
  return [{ publicKeyLine: authorityLine(user, 'user'), canaryLine: certificateLine(canary, 'canary') }];
}

function authorityLine({ domain, key }: Issuing, purpose: Purpose): string {
  const comment = `sallyport ${purpose} CA ${key.generation} ${domain}`;
  return publicKeyLine({ type: 'ssh-ed25519', blob: key.signer.publicKey, comment });
}
