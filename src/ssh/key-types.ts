/**
 * The public key types of OpenSSH and what becomes of each. Only ssh-ed25519 is accepted; the others are read to their
 * last byte all the same, so that the reason given for refusing one is the true one.
 */
import type { ErrorCode } from '../errors/codes.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { ed25519PointFault, type PointFault } from './ed25519-point.ts';
import type { WireReader } from './wire.ts';

export const makeAKey = 'Make one with: ssh-keygen -t ed25519';

/** RSA below this is refused by current guidance (NIST SP 800-57: 3072 bits for 128-bit security). */
const smallestModulus = 3072;
/** The largest modulus, and the longest exponent, that OpenSSL works with (OPENSSL_RSA_MAX_MODULUS_BITS, _PUBEXP_BITS). */
const largestModulus = 16_384;
const largestExponent = 2n ** 64n;

/** Reads what follows the type's name in a key blob; returns the reason to refuse the key, or undefined. */
type Inspect = (reader: WireReader) => SallyportError | undefined;

export const acceptedKeyType = 'ssh-ed25519';

export const keyTypes: ReadonlyMap<string, Inspect> = new Map<string, Inspect>([
  [acceptedKeyType, inspectEd25519],
  ['ssh-rsa', inspectRsa],
  ['ssh-dss', inspectDsa],
  ['ecdsa-sha2-nistp256', (reader) => inspectEcdsa(reader, 'nistp256', 65)],
  ['ecdsa-sha2-nistp384', (reader) => inspectEcdsa(reader, 'nistp384', 97)],
  ['ecdsa-sha2-nistp521', (reader) => inspectEcdsa(reader, 'nistp521', 133)],
  ['sk-ssh-ed25519@openssh.com', inspectSecurityKeyEd25519],
  ['sk-ecdsa-sha2-nistp256@openssh.com', inspectSecurityKeyEcdsa],
]);

const pointFaults: Record<PointFault, [ErrorCode, string]> = {
  length: ['key_malformed', 'must be 32 bytes long'],
  'not-canonical': ['key_malformed', 'is not in its canonical form'],
  'not-on-curve': ['key_malformed', 'is not a point on the curve'],
  'low-order': ['key_weak', 'is a point of low order, for which signatures can be forged'],
};

function inspectEd25519(reader: WireReader): SallyportError | undefined {
  const fault = ed25519PointFault(reader.string());
  if (fault === undefined) return undefined;
  const [code, problem] = pointFaults[fault];
  return new SallyportError(code, `The Ed25519 key ${problem}. ${makeAKey}`);
}

function inspectRsa(reader: WireReader): SallyportError | undefined {
  const exponent = reader.mpint();
  const modulus = reader.mpint();
  const bits = modulus.toString(2).length;
  if (bits < smallestModulus) {
    return weak(`The RSA key has ${bits} bits; fewer than ${smallestModulus} are too weak.`);
  }
  if (bits > largestModulus) {
    return refused(`The RSA key has ${bits} bits; more than ${largestModulus} are not handled.`);
  }
  if (modulus % 2n === 0n) return weak('The modulus of the RSA key is even.');
  if (exponent < 3n || exponent % 2n === 0n || exponent >= largestExponent) {
    return weak('The public exponent of the RSA key must be odd, at least 3 and below 2^64.');
  }
  return refused('RSA keys are not accepted yet.');
}

function inspectDsa(reader: WireReader): SallyportError {
  for (const _ of ['p', 'q', 'g', 'y']) reader.mpint();
  return refused('DSA keys are not accepted: OpenSSH itself has dropped them.');
}

function inspectEcdsa(reader: WireReader, curve: string, pointLength: number): SallyportError {
  const ownCurve = reader.text();
  const point = reader.string();
  if (ownCurve !== curve) return refused(`The ECDSA key is not on the curve of its type, ${curve}.`);
  // SEC 1 section 2.3.3: 0x04 starts an uncompressed point, the only form that OpenSSH writes.
  if (point.length !== pointLength || point[0] !== 4) throw reader.error('holds no uncompressed point');
  return refused('ECDSA keys are not accepted yet.');
}

function inspectSecurityKeyEd25519(reader: WireReader): SallyportError {
  const fault = inspectEd25519(reader);
  const reason = inspectApplication(reader);
  return fault ?? reason;
}

function inspectSecurityKeyEcdsa(reader: WireReader): SallyportError {
  inspectEcdsa(reader, 'nistp256', 65);
  return inspectApplication(reader);
}

function inspectApplication(reader: WireReader): SallyportError {
  reader.text();
  return refused('Security key (sk-) types are not accepted yet.');
}

function weak(problem: string): SallyportError {
  return new SallyportError('key_weak', `${problem} ${makeAKey}`);
}

function refused(problem: string): SallyportError {
  return new SallyportError('key_type_refused', `${problem} ${makeAKey}`);
}
