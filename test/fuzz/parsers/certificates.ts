import type { ErrorCode } from '../../../src/errors/codes.ts';
import { isSallyportError } from '../../../src/errors/sallyport-error.ts';
import type { Certificate } from '../../../src/ssh/certificate.ts';
import {
  assembleCertificate,
  certificateLine,
  encodeToBeSigned,
} from '../../../src/ssh/encode-certificate.ts';
import { lintHostCertificate, lintUserCertificate } from '../../../src/ssh/lint-certificate.ts';
import { parseCertificate, parseCertificateLine } from '../../../src/ssh/parse-certificate.ts';
import { readCertificate } from '../../../src/ssh/read-certificate.ts';
import { now } from '../../ssh/sample-certificate.ts';
import { expectFact, expectSame, type FuzzedParser } from '../examine.ts';

const keyCodes: readonly ErrorCode[] = [
  'key_malformed',
  'key_type_refused',
  'key_weak',
  'key_is_certificate',
];
const codes: readonly ErrorCode[] = [...keyCodes, 'certificate_malformed', 'signature_invalid'];

export const certificates: FuzzedParser = {
  codes,
  read(input) {
    const certificate = parseCertificate(input);
    expectSame(certificate.blob, input);
    expectSame(assembleCertificate(certificate.toBeSigned, certificate.signature), input);
    expectSame(readCertificate(input).toBeSigned, certificate.toBeSigned);
    return `${shapeOf(certificate)}, ${encodedAgain(certificate)}`;
  },
};

export const certificateLines: FuzzedParser = {
  codes,
  read(input) {
    const certificate = parseCertificateLine(input.toString('utf8'));
    expectSame(parseCertificateLine(certificateLine(certificate.blob)).blob, certificate.blob);
    return shapeOf(certificate);
  },
};

/** For showing what is wrong with one. */
export const certificateReadings: FuzzedParser = {
  codes: ['certificate_malformed', 'key_type_refused'],
  read(input) {
    const { type, toBeSigned, signature, principals } = readCertificate(input);
    expectFact(toBeSigned.length + 4 + signature.length === input.length, 'leaves bytes out');
    return `${type}, ${Math.min(principals.length, 3)} principals`;
  },
};

/** The last look before a CA key signs: what passes must be what the parser and the encoder think of it, too. */
export const bytesToBeSigned: FuzzedParser = {
  codes: [...keyCodes, 'certificate_refused'],
  read(input) {
    const kind = input.length % 2 === 0 ? 'user' : 'host';
    const rules = { now, maxLifetime: 3600n, maxBackdate: 60n };
    if (kind === 'user') lintUserCertificate(input, rules);
    else lintHostCertificate(input, rules);
    const certificate = parseCertificate(assembleCertificate(input, anySignature));
    expectSame(encodeToBeSigned(certificate), input);
    expectFact(certificate.kind === kind, 'is of the other kind');
    return shapeOf(certificate);
  },
};

/** A well-formed one of Ed25519, by nobody. */
const anySignature = Buffer.concat([
  Buffer.from('0000000b', 'hex'),
  Buffer.from('ssh-ed25519'),
  Buffer.from('00000040', 'hex'),
  Buffer.alloc(64),
]);

/** The encoder refuses what must not be issued; what it takes comes out as it went in. */
function encodedAgain(certificate: Certificate): string {
  let again: Buffer;
  try {
    again = encodeToBeSigned(certificate);
  } catch (error) {
    if (!isSallyportError(error) || error.code !== 'certificate_refused') throw error;
    return `not issued: ${error.message}`;
  }
  // Principals that are there twice collapse.
  const isUnique = new Set(certificate.principals).size === certificate.principals.length;
  if (isUnique) expectSame(again, certificate.toBeSigned);
  return isUnique ? 'issued' : 'shortened';
}

function shapeOf({ type, kind, principals, criticalOptions, extensions }: Certificate): string {
  const names = [...criticalOptions, ...extensions].map(
    ({ name, data }) => `${/^[a-z-]*$/i.test(name) ? name.slice(0, 9) : 'other'}${data ? ' in bytes' : ''}`,
  );
  return `${type} ${kind}, ${Math.min(principals.length, 3)} principals, ${[...new Set(names)].slice(0, 3)}`;
}
