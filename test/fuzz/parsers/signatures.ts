import { isSallyportError } from '../../../src/errors/sallyport-error.ts';
import { armor, unarmor } from '../../../src/ssh/pem.ts';
import {
  encodeSignature,
  signatureAlgorithmInside,
  signWithKey,
  verifySignature,
} from '../../../src/ssh/signature.ts';
import { signSshsig, verifySshsig } from '../../../src/ssh/sshsig.ts';
import { WireReader } from '../../../src/ssh/wire.ts';
import { subject } from '../../ssh/sample-certificate.ts';
import { plainKey, securityKey } from '../../ssh/sample-keys.ts';
import { expectFact, expectSame, type FuzzedParser } from '../examine.ts';

/** What the signatures of the corpus are over. */
export const signedMessage = Buffer.from('what was signed');
export const sshsigNamespace = 'pop@example.org';

/** The keys of signatures that are verified, of which each can make only one. */
const plain = plainKey(subject.privateKey);
export const touched = securityKey(subject.privateKey);

const label = 'SSH SIGNATURE';
const claim = { message: signedMessage, namespace: sshsigNamespace, publicKeyBlob: subject.blob };

/** Armored. Ed25519 signs everything in one way only, so only one body may ever pass. */
export const sshsigs: FuzzedParser = {
  codes: ['signature_invalid'],
  async read(input) {
    const armored = input.toString('latin1');
    verifySshsig({ ...claim, armored });
    const own = await signSshsig({ ...claim, sign: (bytes) => signWithKey(subject.privateKey, bytes) });
    expectSame(unarmor(label, own) ?? '', unarmor(label, armored) ?? '');
    return 'verified';
  },
};

/** The bytes inside the armor, which a change of the text would hardly ever leave whole. */
export const sshsigBodies: FuzzedParser = {
  codes: ['signature_invalid'],
  read: (input) => sshsigs.read(Buffer.from(armor(label, input), 'latin1')),
};

export const signatureBlobs: FuzzedParser = {
  codes: ['signature_invalid'],
  read(input) {
    const algorithm = signatureAlgorithmInside(input);
    const key = algorithm === touched.type ? touched : plain;
    const isVerified = verifies(key.blob, input);
    if (isVerified) expectSame(input, key.sign(signedMessage));
    return `${algorithm}, ${isVerified ? 'verified' : 'of something else'}`;
  },
};

/** ECDSA signatures as cryptographic libraries and key services give them. */
export const derSignatures: FuzzedParser = {
  codes: ['signature_invalid'],
  read(input) {
    const blob = encodeSignature('ecdsa-sha2-nistp521', input);
    const reader = new WireReader(blob, 'signature_invalid', 'signature');
    reader.string();
    const numbers = new WireReader(reader.string(), 'signature_invalid', 'signature');
    const [r, s] = [numbers.string(), numbers.string()];
    expectFact(!numbers.hasMore && !reader.hasMore, 'leaves bytes over');
    expectSame(der(0x30, Buffer.concat([der(2, r), der(2, s)])), input);
    return `${r.length > 32 ? 'long' : 'short'} r, ${s.length > 32 ? 'long' : 'short'} s`;
  },
};

function verifies(publicKey: Buffer, signature: Buffer): boolean {
  try {
    verifySignature({ publicKey, bytes: signedMessage, signature });
    return true;
  } catch (error) {
    if (isSallyportError(error) && error.code === 'signature_invalid') return false;
    throw error;
  }
}

function der(tag: number, content: Buffer): Buffer {
  const length = content.length < 0x80 ? [content.length] : [0x81, content.length];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}
