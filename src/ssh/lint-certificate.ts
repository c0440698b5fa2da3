/**
 * The last look at the bytes before a CA key touches them. It reads them again from the first byte to the last and
 * shares nothing with the encoder but the grammars of names and keys: a mistake there, or in what was stored, must not
 * leave as a certificate. What is not on a list here is refused.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import {
  forever,
  kindNumbers,
  mostPrincipalsIssued,
  nonceLength,
  subjectTypeOf,
  tooManyPrincipals,
} from './certificate.ts';
import { isSecurityKey, keyTypes, type PublicKeyType } from './key-types.ts';
import {
  canaryPrincipal,
  isHopPrincipal,
  isHostName,
  isKeyId,
  isMachinePrincipal,
  isRolePrincipal,
  mfaPrefix,
  splitKeyId,
} from './names.ts';
import { checkPublicKeyBlob } from './public-key.ts';
import { parseSourceAddresses } from './source-address.ts';
import { WireReader, WireWriter } from './wire.ts';

export interface LintRules {
  /** Unix seconds at which the certificate was decided. */
  readonly now: bigint;
  /** Seconds from `now` to `validBefore` at most. */
  readonly maxLifetime: bigint;
  /** Seconds from `validAfter` to `now` at most. */
  readonly maxBackdate: bigint;
}

/** Throws unless the bytes may become a user certificate. @throws certificate_refused; for keys as checkPublicKeyBlob() */
export function lintUserCertificate(toBeSigned: Buffer, rules: LintRules): void {
  lint(toBeSigned, rules, [...commonRequirements, ...userRequirements]);
}

/** Throws unless the bytes may become a host certificate. @throws certificate_refused; for keys as checkPublicKeyBlob() */
export function lintHostCertificate(toBeSigned: Buffer, rules: LintRules): void {
  lint(toBeSigned, rules, [...commonRequirements, ...hostRequirements]);
}

export interface HopRules extends LintRules {
  /** The gateway's address, as the `source-address` option spells it. */
  readonly sourceAddress: string;
  /** What policy permits of sshd, `permit-*`; absent: a terminal. */
  readonly permissions?: readonly string[];
}

/** Seconds from `now` to the end of a hop certificate at most, whatever the rules say. */
export const longestHopLife = 60n;

/** Seconds from `now` to the end of a certificate for one machine at most, whatever the rules say. */
const longestMachineLife = 300n;

/**
 * Throws unless the bytes may become a hop certificate: for one host, from one address, for a minute.
 * @throws certificate_refused; for keys as checkPublicKeyBlob()
 */
export function lintHopCertificate(toBeSigned: Buffer, rules: HopRules): void {
  const maxLifetime = rules.maxLifetime < longestHopLife ? rules.maxLifetime : longestHopLife;
  const isFromTheGateway = ({ criticalOptions }: Reading) =>
    criticalOptions.length === 1 &&
    criticalOptions.every((option) => isOneAddress(option, rules.sourceAddress));
  lint(toBeSigned, { ...rules, maxLifetime }, [
    ...commonRequirements,
    ...hopRequirements,
    [permitsOnly(rules.permissions ?? ['permit-pty']), 'it permits more than the decision did'],
    [isFromTheGateway, 'its only critical option must be source-address with the address of the gateway'],
  ]);
}

interface Option {
  readonly name: string;
  readonly data: Buffer;
}

interface Reading {
  readonly subjectType: PublicKeyType;
  readonly nonce: Buffer;
  readonly subject: Buffer;
  readonly serial: bigint;
  readonly kind: number;
  readonly keyId: string;
  readonly principals: readonly string[];
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly criticalOptions: readonly Option[];
  readonly extensions: readonly Option[];
  readonly reserved: Buffer;
  readonly ca: Buffer;
}

type Requirement = readonly [holds: (reading: Reading, rules: LintRules) => boolean, problem: string];

const commonRequirements: readonly Requirement[] = [
  [({ nonce }) => nonce.length === nonceLength, 'its nonce is not 32 bytes'],
  [({ subject, ca }) => !subject.equals(ca), 'its subject is the key of the CA itself'],
  [({ serial }) => serial !== 0n, 'its serial is 0'],
  [({ keyId }) => isKeyId(keyId), 'its key ID is not valid'],
  [({ principals }) => principals.length > 0, 'it has no principals'],
  [({ principals }) => principals.length <= mostPrincipalsIssued, tooManyPrincipals],
  [({ principals }) => new Set(principals).size === principals.length, 'it names a principal twice'],
  [({ validBefore }) => validBefore < forever, 'it would be valid forever'],
  [({ validAfter, validBefore }) => validAfter < validBefore, 'its validity ends before it starts'],
  [({ validAfter }, { now }) => validAfter <= now, 'its validity starts in the future'],
  [
    ({ validBefore }, { now, maxLifetime }) => validBefore <= now + maxLifetime,
    'it would be valid for too long',
  ],
  [
    (reading, { now, maxBackdate }) => isCanary(reading) || reading.validAfter >= now - maxBackdate,
    'its validity starts too far in the past',
  ],
  [({ criticalOptions }) => areSorted(criticalOptions), 'its critical options are out of order or repeated'],
  [({ extensions }) => areSorted(extensions), 'its extensions are out of order or repeated'],
  [({ reserved }) => reserved.length === 0, 'its reserved field is not empty'],
];

const userRequirements: readonly Requirement[] = [
  [({ kind }) => kind === kindNumbers.user, 'it is not a user certificate'],
  [
    (reading, { now }) => isCanary(reading) === reading.validBefore <= now,
    'it has expired (only a canary has)',
  ],
  [
    (reading) => isCanary(reading) || splitKeyId(reading.keyId) !== undefined,
    'its key ID is not <account>/<session id>',
  ],
  [
    (reading) => isCanary(reading) || reading.principals.every((name) => belongsTo(reading.keyId, name)),
    'a principal is neither the account of its key ID nor a role nor one machine',
  ],
  [
    ({ principals }) => principals.length === 1 || !principals.some(isMachinePrincipal),
    'it is for one machine and names others besides',
  ],
  [
    ({ principals, validBefore }, { now }) =>
      !principals.some(isMachinePrincipal) || validBefore <= now + longestMachineLife,
    'it is for one machine and would be valid for too long',
  ],
  [
    ({ criticalOptions, subjectType }) =>
      criticalOptions.every((option) => isKnownCriticalOption(option, subjectType)),
    'a critical option is not allowed',
  ],
  [({ extensions }) => extensions.every(isKnownExtension), 'an extension is not allowed'],
];

const hostRequirements: readonly Requirement[] = [
  [({ kind }) => kind === kindNumbers.host, 'it is not a host certificate'],
  [({ validBefore }, { now }) => validBefore > now, 'it has expired'],
  [({ principals }) => principals.every(isHostName), 'a principal is not a host name'],
  [
    ({ criticalOptions, extensions }) => criticalOptions.length + extensions.length === 0,
    'a host has no options',
  ],
];

const hopRequirements: readonly Requirement[] = [
  [({ kind }) => kind === kindNumbers.user, 'it is not a user certificate'],
  [({ validBefore }, { now }) => validBefore > now, 'it has expired'],
  [({ keyId }) => splitKeyId(keyId) !== undefined, 'its key ID is not <account>/<session id>'],
  [
    ({ principals: [first = '', ...more] }) => more.length === 0 && isHopPrincipal(first),
    'its principal is not that of exactly one host',
  ],
  [({ extensions }) => extensions.every(isHopExtension), 'an extension is not allowed'],
];

/**
 * Content of the critical options that may leave. `force-command` is missing: nothing here decides one. sshd ignores
 * `verify-required` on a key that is not a security key, so there it would only look like protection.
 */
const criticalOptions: ReadonlyMap<string, (data: Buffer, subjectType: PublicKeyType) => boolean> = new Map([
  ['source-address', (data: Buffer) => parseSourceAddresses(unpack(data)).length > 0],
  ['verify-required', (data: Buffer, type: PublicKeyType) => data.length === 0 && isSecurityKey(type)],
]);

const hopPermits: ReadonlySet<string> = new Set([
  'permit-agent-forwarding',
  'permit-port-forwarding',
  'permit-pty',
]);

const flagExtensions: ReadonlySet<string> = new Set([
  'permit-X11-forwarding',
  'permit-agent-forwarding',
  'permit-port-forwarding',
  'permit-pty',
  'permit-user-rc',
]);

function lint(toBeSigned: Buffer, rules: LintRules, requirements: readonly Requirement[]): void {
  const reading = read(toBeSigned);
  for (const [holds, problem] of requirements) {
    if (!holds(reading, rules)) throw refused(problem);
  }
}

function read(toBeSigned: Buffer): Reading {
  const reader = readerOf(toBeSigned);
  const subjectType = subjectTypeOf(reader.text());
  if (subjectType === undefined) throw refused('its type is not one that is issued');
  const reading = {
    subjectType,
    nonce: reader.string(),
    subject: readSubject(reader, subjectType),
    serial: reader.u64(),
    kind: reader.u32(),
    keyId: reader.text(),
    principals: readAll(reader.string(), (list) => list.text()),
    validAfter: reader.u64(),
    validBefore: reader.u64(),
    criticalOptions: readAll(reader.string(), readOption),
    extensions: readAll(reader.string(), readOption),
    reserved: reader.string(),
    ca: reader.string(),
  };
  reader.done();
  checkPublicKeyBlob(reading.ca);
  return reading;
}

function readSubject(reader: WireReader, type: PublicKeyType): Buffer {
  const parts = Array.from({ length: keyTypes[type].parts }, () => reader.string());
  const blob = parts.reduce((writer, part) => writer.string(part), new WireWriter().string(type)).bytes();
  checkPublicKeyBlob(blob);
  return blob;
}

function readAll<Item>(packed: Buffer, readItem: (list: WireReader) => Item): Item[] {
  const list = readerOf(packed);
  const items: Item[] = [];
  while (list.hasMore) items.push(readItem(list));
  return items;
}

function readOption(list: WireReader): Option {
  return { name: list.text(), data: list.string() };
}

/** An option's value is a string inside the string. */
function unpack(data: Buffer): string {
  const reader = readerOf(data);
  const value = reader.text();
  reader.done();
  return value;
}

function readerOf(bytes: Buffer): WireReader {
  return new WireReader(bytes, 'certificate_refused', 'content of the certificate');
}

/** Strictly ascending by bytes, so none is there twice. */
function areSorted(options: readonly Option[]): boolean {
  const names = options.map(({ name }) => Buffer.from(name));
  return names.slice(1).every((name, before) => Buffer.compare(names[before] ?? name, name) < 0);
}

/** The canary is made only to be revoked: nobody's principal, and expired before it is signed. */
function isCanary({ principals }: Reading): boolean {
  return principals.length === 1 && principals[0] === canaryPrincipal;
}

/** A certificate names the account of its key ID, or roles, each also with the MFA prefix; or one machine. */
function belongsTo(keyId: string, principal: string): boolean {
  if (isMachinePrincipal(principal)) return true;
  const name = principal.startsWith(mfaPrefix) ? principal.slice(mfaPrefix.length) : principal;
  return name === splitKeyId(keyId)?.account || isRolePrincipal(name);
}

function isKnownCriticalOption({ name, data }: Option, subjectType: PublicKeyType): boolean {
  return criticalOptions.get(name)?.(data, subjectType) ?? false;
}

/** A list of one address, no network, and the one that is expected. */
function isOneAddress({ name, data }: Option, address: string): boolean {
  if (name !== 'source-address' || /[,/]/.test(address)) return false;
  const list = unpack(data);
  return parseSourceAddresses(list).length === 1 && list === address;
}

/** What a second leg may ever need of sshd, and what the person's own certificate says. */
function isHopExtension(option: Option): boolean {
  const { name } = option;
  return (hopPermits.has(name) || name.startsWith('claims@')) && isKnownExtension(option);
}

function permitsOnly(permissions: readonly string[]) {
  return ({ extensions }: Reading) =>
    extensions.every(({ name }) => !hopPermits.has(name) || permissions.includes(name));
}

/** A flag of sshd without data, or one of ours, `mfa@DOMAIN` or `claims@DOMAIN`, with printable ASCII. */
function isKnownExtension({ name, data }: Option): boolean {
  if (flagExtensions.has(name)) return data.length === 0;
  const [word = '', domain = '', ...more] = name.split('@');
  const isOurs = (word === 'mfa' || word === 'claims') && more.length === 0 && isHostName(domain);
  return isOurs && /^[ -~]+$/.test(unpack(data));
}

function refused(problem: string): SallyportError {
  return new SallyportError('certificate_refused', `The certificate was not signed: ${problem}.`);
}
