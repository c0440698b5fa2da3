/**
 * Whether a state may be installed, pure. Trust starts with the CA keys pinned at the enrolment: the KRL must be signed
 * by a pinned key, and a CA key that is new is accepted only if that signed KRL has a section for it that revokes its
 * canary. So the old key vouches for the new one, and the feed alone can't bring in a CA. Keys that the state no longer
 * names are no longer trusted. Versions never go back.
 */
import { type CompanionState, krlMessage } from '../api/companions.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { canaryPrincipal } from '../ssh/names.ts';
import { parseCertificateLine } from '../ssh/parse-certificate.ts';
import { isRevoked, type ParsedKrl, parseKrl } from '../ssh/parse-krl.ts';
import { parsePublicKeyLine, publicKeyLine } from '../ssh/public-key.ts';
import { verifySshsig } from '../ssh/sshsig.ts';
import { verifyCertificateBy } from '../ssh/verify-certificate.ts';

export interface StateExpectations {
  readonly companionId: string;
  readonly domain: string;
  /** Public key lines. */
  readonly pinned: readonly string[];
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
  readonly canaryLines: readonly string[];
  readonly krl: ParsedKrl;
  readonly krlBytes: Buffer;
}

/** Bytes of "SSHKRL\n\0" to the comment: a KRL of this size revokes nothing, and sshd takes it so. */
const emptyKrlBytes = 44;

/** @throws state_older, signature_invalid, krl_malformed, install_failed */
export function checkState(state: CompanionState, expected: StateExpectations): CheckedState {
  if (state.companion.id !== expected.companionId) throw refused('it is for another companion');
  checkVersion('state', BigInt(state.version), expected.versions.state);
  checkVersion('KRL', BigInt(state.krl.version), expected.versions.krl);

  const krlBytes = Buffer.from(state.krl.data, 'base64');
  checkKrlSignature(state, krlBytes, expected);
  if (krlBytes.length <= emptyKrlBytes) throw refused('its KRL revokes nothing, not even a canary');
  const krl = parseKrl(krlBytes);
  if (krl.version !== BigInt(state.krl.version)) throw refused('its KRL is of another version than it says');

  const authorities = state.user_authorities.map(({ public_key, canary }) => {
    const { type, blob } = parsePublicKeyLine(public_key);
    checkCanary(canary, blob, krl);
    return { blob, line: publicKeyLine({ type, blob }) };
  });
  if (authorities.length === 0) throw refused('it names no user CA');
  checkHostCertificate(state, expected.hostPublicKey);
  return {
    state,
    authorities: authorities.map(({ blob }) => blob),
    authorityLines: authorities.map(({ line }) => line),
    canaryLines: state.user_authorities.map(({ canary }) => canary),
    krl,
    krlBytes,
  };
}

function checkVersion(what: string, offered: bigint, highest: bigint): void {
  if (offered >= highest) return;
  throw new SallyportError(
    'state_older',
    `The server offered ${what} version ${offered}, and version ${highest} is installed. The newer one is kept. Was the server restored from a backup? Then run there: sallyport recover`,
  );
}

function checkKrlSignature({ krl }: CompanionState, bytes: Buffer, expected: StateExpectations): void {
  const message = krlMessage(krl.version, bytes);
  const isBy = (line: string) => {
    try {
      const publicKeyBlob = parsePublicKeyLine(line).blob;
      verifySshsig({ message, namespace: `krl@${expected.domain}`, publicKeyBlob, armored: krl.signature });
      return true;
    } catch (error) {
      if (isSallyportError(error)) return false;
      throw error;
    }
  };
  if (expected.pinned.some(isBy)) return;
  throw new SallyportError(
    'signature_invalid',
    'The KRL is not signed by a user CA that this machine trusts. The old one is kept.',
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
