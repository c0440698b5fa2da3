/**
 * What must hold of a key of each type. Types that are not accepted are read to their last byte all the same where they
 * are known, so that the reason given for refusing one is the true one.
 */
import { createPublicKey } from 'node:crypto';
import type { ErrorCode } from '../errors/codes.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { ed25519PointFault, type PointFault } from './ed25519-point.ts';
import { type EllipticCurve, ellipticCurves } from './elliptic-curves.ts';
import { compositeKey, compositeKeyBytes, ed25519Half } from './mldsa-ed25519.ts';
import { rsaKeyFault } from './rsa-key.ts';
import type { WireReader } from './wire.ts';

export const makeAKey = 'Make one with: ssh-keygen -t ed25519';

/** Reads what follows the type's name in a key blob; returns the reason to refuse the key, or undefined. */
type Inspect = (reader: WireReader) => SallyportError | undefined;

const inspections: ReadonlyMap<string, Inspect> = new Map<string, Inspect>([
  ['ssh-ed25519', inspectEd25519],
  ['ecdsa-sha2-nistp256', (reader) => inspectEcdsa(reader, 'nistp256')],
  ['ecdsa-sha2-nistp384', (reader) => inspectEcdsa(reader, 'nistp384')],
  ['ecdsa-sha2-nistp521', (reader) => inspectEcdsa(reader, 'nistp521')],
  ['ssh-rsa', inspectRsa],
  ['sk-ssh-ed25519@openssh.com', (reader) => inspectSecurityKey(reader, inspectEd25519)],
  [
    'sk-ecdsa-sha2-nistp256@openssh.com',
    (reader) => inspectSecurityKey(reader, (key) => inspectEcdsa(key, 'nistp256')),
  ],
  ['ssh-dss', inspectDsa],
  ['ssh-mldsa44-ed25519@openssh.com', inspectMldsa],
]);

/** The inspection of a type, or undefined for a type nobody here has heard of. */
export function inspectionOf(type: string): Inspect | undefined {
  return inspections.get(type);
}

const pointFaults: Record<PointFault, [ErrorCode, string]> = {
  length: ['key_malformed', 'must be 32 bytes long'],
  'not-canonical': ['key_malformed', 'is not in its canonical form'],
  'not-on-curve': ['key_malformed', 'is not a point on the curve'],
  'low-order': ['key_weak', 'is a point of low order, for which signatures can be forged'],
};

function inspectEd25519(reader: WireReader): SallyportError | undefined {
  return inspectPoint(reader.string());
}

function inspectPoint(point: Uint8Array): SallyportError | undefined {
  const fault = ed25519PointFault(point);
  if (fault === undefined) return undefined;
  const [code, problem] = pointFaults[fault];
  return new SallyportError(code, `The Ed25519 key ${problem}. ${makeAKey}`);
}

function inspectRsa(reader: WireReader): SallyportError | undefined {
  const exponent = reader.mpint();
  const modulus = reader.mpint();
  const fault = rsaKeyFault({ exponent, modulus });
  return fault && new SallyportError(fault.code, `${fault.problem} ${makeAKey}`);
}

function inspectEcdsa(reader: WireReader, curve: EllipticCurve): SallyportError | undefined {
  const ownCurve = reader.text();
  const point = reader.string();
  if (ownCurve !== curve) return refused(`The ECDSA key is not on the curve of its type, ${curve}.`);
  const { crv, fieldBytes } = ellipticCurves[curve];
  // SEC 1 section 2.3.3: 0x04 starts an uncompressed point, the only form that OpenSSH writes. Infinity is one byte.
  if (point.length !== 1 + 2 * fieldBytes || point[0] !== 4)
    throw reader.error('holds no uncompressed point');
  const x = point.subarray(1, 1 + fieldBytes).toString('base64url');
  const y = point.subarray(1 + fieldBytes).toString('base64url');
  try {
    // OpenSSL checks here that both are below p and the point is on the curve, whose cofactor is 1.
    createPublicKey({ format: 'jwk', key: { kty: 'EC', crv, x, y } });
    return undefined;
  } catch {
    return new SallyportError('key_malformed', `The ECDSA key is not a point on its curve. ${makeAKey}`);
  }
}

/** PROTOCOL.u2f: the key, then the application it was made for. A login page's key must not sign for SSH. */
function inspectSecurityKey(reader: WireReader, inspectInner: Inspect): SallyportError | undefined {
  const fault = inspectInner(reader);
  const application = reader.text();
  if (fault !== undefined) return fault;
  if (/^ssh:[!-~]*$/.test(application)) return undefined;
  return refused(
    'The security key was made for another application: its name must be "ssh:" or start so. ' +
      'Make another with: ssh-keygen -t ed25519-sk',
    '',
  );
}

function inspectDsa(reader: WireReader): SallyportError {
  for (const _ of ['p', 'q', 'g', 'y']) reader.mpint();
  return refused('DSA keys are not accepted: OpenSSH itself has dropped them.');
}

/** Both public keys in one string; any 1,312 bytes are an ML-DSA-44 key (FIPS 204 section 7.2). */
function inspectMldsa(reader: WireReader): SallyportError | undefined {
  const raw = reader.string();
  if (raw.length !== compositeKeyBytes) throw reader.error('must hold 1,344 bytes of key');
  const fault = inspectPoint(ed25519Half(raw));
  if (fault !== undefined || compositeKey(raw) !== undefined) return fault;
  return refused('ML-DSA keys need a Node.js with OpenSSL 3.5 or newer, which this one has not.');
}

function refused(problem: string, advice = makeAKey): SallyportError {
  return new SallyportError('key_type_refused', `${problem} ${advice}`.trimEnd());
}
