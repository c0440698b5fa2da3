/**
 * Whether a state may be installed, pure. Trust starts with the CA keys pinned at the enrolment: the KRL must be signed
 * by a pinned key, and a CA key that is new is accepted only if that signed KRL has a section for it that revokes its
 * canary and says what it is for. So the old key vouches for the new one, and the feed alone can't bring in a CA. Keys that the state no longer
 * names are no longer trusted; one that a KRL named as revoked is never trusted again, and signs no KRL but the one that
 * ends it, and that only where no better key is known. Versions never go back.
 */
import {
  type CompanionState,
  hopSectionMark,
  krlAudience,
  krlAudienceMark,
  krlMessage,
} from '../api/companions.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { canaryPrincipal } from '../ssh/names.ts';
import { parseCertificateLine } from '../ssh/parse-certificate.ts';
import { isKeyRevoked, isRevoked, type ParsedKrl, parseKrl } from '../ssh/parse-krl.ts';
import { parsePublicKeyLine, publicKeyLine } from '../ssh/public-key.ts';
import { verifySshsig } from '../ssh/sshsig.ts';
import { verifyCertificateBy } from '../ssh/verify-certificate.ts';

export interface StateExpectations {
  readonly companionId: string;
  readonly domain: string;
  /** Public key lines. */
  readonly pinned: readonly string[];
  /** Public key lines of CA keys that were compromised: never again. */
  readonly compromised: readonly string[];
  /** The highest versions that were ever installed. */
  readonly versions: { readonly state: bigint; readonly krl: bigint };
  readonly hostPublicKey: string;
}

export interface CheckedState {
  readonly state: CompanionState;
  /** Blobs of the user CA keys to trust. */
  readonly authorities: readonly Buffer[];
  /** Their lines, without comments: the next pins. */
  readonly authorityLines: readonly string[];
  /** Blobs of the hop CA keys to trust; hosts only. */
  readonly hopAuthorities: readonly Buffer[];
  /** Their lines. */
  readonly hopAuthorityLines: readonly string[];
  readonly canaryLines: readonly string[];
  /** Lines of the CA keys that are known to be compromised now. */
  readonly compromisedLines: readonly string[];
  readonly krl: ParsedKrl;
  readonly krlBytes: Buffer;
}

/** Bytes of "SSHKRL\n\0" to the comment: a KRL of this size revokes nothing, and sshd takes it so. */
const emptyKrlBytes = 44;

/** @throws state_older, signature_invalid, krl_malformed, install_failed */
export function checkState(state: CompanionState, expectations: StateExpectations): CheckedState {
  const expected = { ...expectations, pinned: expectations.pinned.map(withoutComment) };
  if (state.companion.id !== expected.companionId) throw refused('it is for another companion');
  checkVersion('state', BigInt(state.version), expected.versions.state);
  checkVersion('KRL', BigInt(state.krl.version), expected.versions.krl);

  const krlBytes = Buffer.from(state.krl.data, 'base64');
  const vouching = signersOfKrl(state, krlBytes, expected);
  if (krlBytes.length <= emptyKrlBytes) throw refused('its KRL revokes nothing, not even a canary');
  const krl = parseKrl(krlBytes);
  if (krl.version !== BigInt(state.krl.version)) throw refused('its KRL is of another version than it says');
  checkAudience(state, krl);

  const isCompromised = (line: string) =>
    expected.compromised.includes(line) || isKeyRevoked(krl, parsePublicKeyLine(line).blob);
  // Who is named as compromised may say so itself, where this machine knows nobody else.
  const known = expected.pinned.filter((line) => !isCompromised(line));
  if (known.length > 0 && !vouching.some((line) => known.includes(line))) throw notSigned();

  const hopAuthorities = state.hop_authorities ?? [];
  if (state.companion.kind === 'gateway' && hopAuthorities.length > 0) {
    throw refused('it names a hop CA, which gateways never trust');
  }
  const user = checkAuthorities(state.user_authorities, krl, isCompromised);
  if (user.some(({ isForHops }) => isForHops)) throw refused('it names a hop CA among the user CAs');
  if (user.length === 0) throw refused('it names no user CA');
  const hop = checkAuthorities(hopAuthorities, krl, isCompromised);
  if (!hop.every(({ isForHops }) => isForHops)) throw refused('it names a user CA among the hop CAs');
  checkHostCertificate(state, expected.hostPublicKey);
  return {
    state,
    authorities: user.map(({ blob }) => blob),
    authorityLines: user.map(({ line }) => line),
    hopAuthorities: hop.map(({ blob }) => blob),
    hopAuthorityLines: hop.map(({ line }) => line),
    canaryLines: [...state.user_authorities, ...hopAuthorities].map(({ canary }) => canary),
    compromisedLines: [...new Set([...expected.compromised, ...expected.pinned.filter(isCompromised)])],
    krl,
    krlBytes,
  };
}

function checkAuthorities(
  named: CompanionState['user_authorities'],
  krl: ParsedKrl,
  isCompromised: (line: string) => boolean,
): { blob: Buffer; line: string; isForHops: boolean }[] {
  return named.map(({ public_key, canary }) => {
    const { blob } = parsePublicKeyLine(public_key);
    const line = withoutComment(public_key);
    if (isCompromised(line)) throw refused('it names a CA key that is known to be compromised');
    checkCanary(canary, blob, krl);
    const isForHops = krl.sections.some(
      ({ caPublicKey, keyIds }) => caPublicKey?.equals(blob) && keyIds.has(hopSectionMark),
    );
    return { blob, line, isForHops };
  });
}

function checkVersion(what: string, offered: bigint, highest: bigint): void {
  if (offered >= highest) return;
  throw new SallyportError(
    'state_older',
    `The server offered ${what} version ${offered}, and version ${highest} is installed. The newer one is kept. Was the server restored from a backup? Then run there: sallyport recover`,
  );
}

/** A list that is cut to some accounts says so under its signature: for others it may leave out what is revoked. */
function checkAudience({ companion, accounts }: CompanionState, { comment }: ParsedKrl): void {
  if (!comment.includes(krlAudienceMark)) return;
  const names = accounts.map(({ name }) => name);
  if (comment.endsWith(krlAudience(companion.kind, names))) return;
  throw refused('its KRL is cut to other accounts than those that the state names');
}

/** The one way to write a key, so that lines can be compared. */
function withoutComment(line: string): string {
  const { type, blob } = parsePublicKeyLine(line);
  return publicKeyLine({ type, blob });
}

/** The pinned keys that have signed the KRL: at least one. @throws signature_invalid */
function signersOfKrl({ krl }: CompanionState, bytes: Buffer, expected: StateExpectations): string[] {
  const message = krlMessage(krl.version, bytes);
  const isBy = (line: string, armored: string) => {
    try {
      const publicKeyBlob = parsePublicKeyLine(line).blob;
      verifySshsig({ message, namespace: `krl@${expected.domain}`, publicKeyBlob, armored });
      return true;
    } catch (error) {
      if (isSallyportError(error)) return false;
      throw error;
    }
  };
  const signatures = [krl.signature, ...(krl.signatures ?? [])];
  const signers = expected.pinned
    .filter((line) => !expected.compromised.includes(line))
    .filter((line) => signatures.some((armored) => isBy(line, armored)));
  if (signers.length === 0) throw notSigned();
  return signers;
}

function notSigned(): SallyportError {
  return new SallyportError(
    'signature_invalid',
    'The KRL is not signed by a user CA that this machine trusts. The old one is kept. Was this machine away while ' +
      'CA keys were rotated? Then enrol it again.',
  );
}

/** A certificate of this CA that only exists to be revoked; the KRL must say so. */
function checkCanary(line: string, authority: Buffer, krl: ParsedKrl): void {
  const canary = parseCertificateLine(line);
  verifyCertificateBy(canary, [authority]);
  if (canary.principals.length !== 1 || canary.principals[0] !== canaryPrincipal) {
    throw refused('a canary has other principals than it must');
  }
  if (!isRevoked(krl, authority, canary.serial)) throw refused('its KRL does not revoke the canary of a CA');
}

/** A certificate for another key would make sshd offer a host key that no client accepts. */
function checkHostCertificate({ host_certificate }: CompanionState, hostPublicKey: string): void {
  const certificate = parseCertificateLine(host_certificate);
  const isForUs = certificate.publicKey.equals(parsePublicKeyLine(hostPublicKey).blob);
  if (certificate.kind !== 'host' || !isForUs) {
    throw refused("its host certificate is not one for this machine's host key");
  }
}

function refused(problem: string): SallyportError {
  return new SallyportError(
    'install_failed',
    `The state was not installed: ${problem}. The old one is kept.`,
  );
}
