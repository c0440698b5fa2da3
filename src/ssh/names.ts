/**
 * The grammars of names, used where a name enters and again where it is signed. Allow-lists: what is not named here,
 * such as upper case, commas, quotes, wildcards, white space and everything beyond ASCII, is not a name. All pure.
 */
import { SallyportError } from '../errors/sallyport-error.ts';

/** One name inside a certificate. The first character keeps options (`-`), dot files and patterns (`!`) out. */
export const principalPattern = /^(?!.*\.\.)[a-z0-9_][a-z0-9._@:+-]{0,127}$/;

/** Host name labels (RFC 1123 section 2.1), lower case. */
const hostNamePattern = /^(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/;
const localPartPattern = /^(?!.*\.\.)[a-z0-9_][a-z0-9._+-]*$/;
const keyIdPattern = /^[a-z0-9._@+/-]{1,128}$/;
const sessionIdPattern = /^[a-z0-9][a-z0-9_-]*$/;
const slugPattern = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const targetNamePattern = /^[a-z][a-z0-9]*(-[a-z0-9]+)+(--[a-z0-9]+(-[a-z0-9]+)*){1,2}$/;

/** Principal of the certificate whose only purpose is to be revoked, so that a revocation list can be tested. */
export const canaryPrincipal = 'canary:never';
/** Before an account's or a role's principal: this certificate's session had MFA that its organization accepts. */
export const mfaPrefix = 'mfa:';

/** Before a host's name in the only principal of a hop certificate. */
const hopPrefix = 'hop:';

/** Before a machine's name in the only principal of a certificate that is good there alone. */
const machinePrefix = 'at:';

export interface KeyIdParts {
  readonly account: string;
  readonly sessionId: string;
}

export function isPrincipal(text: string): boolean {
  return principalPattern.test(text);
}

/** What a key ID of 128 characters has room for beside a slash and a session id, which is a UUID. */
const longestAccountName = 128 - 1 - 36;

/** `<local part>@<domain>`, at most 91 characters. */
export function isAccountName(text: string): boolean {
  if (text.length > longestAccountName) return false;
  const [local = '', domain = '', ...more] = text.split('@');
  return more.length === 0 && localPartPattern.test(local) && domain.includes('.') && isHostName(domain);
}

/** What a host certificate may name: a DNS name or an IPv4 address. */
export function isHostName(text: string): boolean {
  return text.length <= 127 && hostNamePattern.test(text);
}

export function isKeyId(text: string): boolean {
  return keyIdPattern.test(text);
}

/** Name of an organization, project, environment, app, instance or role within its parent. */
export function isSlug(text: string): boolean {
  return text.length <= 40 && slugPattern.test(text);
}

/** `<project>-<environment>--<app>[--<instance>]`: stored and looked up, never taken apart. A valid DNS label. */
export function isTargetName(text: string): boolean {
  return text.length <= 63 && targetNamePattern.test(text);
}

/** `role:<organization>:<project>:<environment>:<role>`, in certificates narrowed to one environment. */
export function isRolePrincipal(text: string): boolean {
  const [word, ...slugs] = text.split(':');
  return word === 'role' && slugs.length === 4 && slugs.every(isSlug) && isPrincipal(text);
}

/** @throws name_refused if the names together are longer than a principal may be */
export function rolePrincipal({
  organization,
  project,
  environment,
  role,
}: Readonly<Record<'organization' | 'project' | 'environment' | 'role', string>>): string {
  const principal = `role:${organization}:${project}:${environment}:${role}`;
  if (isRolePrincipal(principal) && isPrincipal(`${mfaPrefix}${principal}`)) return principal;
  throw new SallyportError(
    'name_refused',
    'The names of organization, project and environment are too long for a certificate that is narrowed to it.',
  );
}

/** `hop:<host id>`, the host's slug: the only principal of a hop certificate. */
export function isHopPrincipal(text: string): boolean {
  return text.startsWith(hopPrefix) && isSlug(text.slice(hopPrefix.length));
}

/** @throws name_refused */
export function hopPrincipal(hostId: string): string {
  const principal = `${hopPrefix}${hostId}`;
  if (isHopPrincipal(principal)) return principal;
  throw new SallyportError(
    'name_refused',
    'A host id must be at most 40 characters of a-z 0-9 and - between them.',
  );
}

/** `at:<machine's name>`: the only principal of a certificate that is good for one machine alone. */
export function isMachinePrincipal(text: string): boolean {
  return text.startsWith(machinePrefix) && isSlug(text.slice(machinePrefix.length));
}

/** @throws name_refused */
export function machinePrincipal(machine: string): string {
  const principal = `${machinePrefix}${machine}`;
  if (isMachinePrincipal(principal)) return principal;
  throw new SallyportError(
    'name_refused',
    'The name of a machine must be at most 40 characters of a-z 0-9 and - between them.',
  );
}

/**
 * The key ID of a user certificate, which sshd writes into its own log: `<account>/<login session id>`.
 * @throws name_refused, also if both together are longer than 128 characters
 */
export function keyIdFor(account: string, sessionId: string): string {
  const keyId = `${account}/${sessionId}`;
  parseKeyId(keyId);
  return keyId;
}

/** @throws name_refused */
export function parseKeyId(keyId: string): KeyIdParts {
  const parts = splitKeyId(keyId);
  if (parts !== undefined) return parts;
  throw new SallyportError(
    'name_refused',
    'A key ID must be <account>/<session id>, at most 128 characters of a-z 0-9 . _ @ + / -.',
  );
}

/** The parts of a user certificate's key ID, or undefined if it is not one. */
export function splitKeyId(keyId: string): KeyIdParts | undefined {
  const [account = '', sessionId = '', ...more] = keyId.split('/');
  const isOne =
    isKeyId(keyId) && more.length === 0 && isAccountName(account) && sessionIdPattern.test(sessionId);
  return isOne ? { account, sessionId } : undefined;
}
