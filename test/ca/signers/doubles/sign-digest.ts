/** Signatures over a digest that somebody else made, as key services give them; node:crypto wants to hash by itself. */
import { constants, createECDH, type KeyObject, privateEncrypt, randomBytes } from 'node:crypto';

export type DigestName = 'sha256' | 'sha384' | 'sha512';

/** RFC 8017 section 9.2, note 1: what stands before the digest in a DigestInfo. */
const digestInfos: Record<DigestName, string> = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
};
const digestLengths: Record<DigestName, number> = { sha256: 32, sha384: 48, sha512: 64 };

/** FIPS 186-5: the name that OpenSSL has for a curve, and the order of its base point. */
const curves: Record<string, { openssl: string; order: bigint }> = {
  'P-256': {
    openssl: 'prime256v1',
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  },
  'P-384': {
    openssl: 'secp384r1',
    order:
      0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
  'P-521': {
    openssl: 'secp521r1',
    order:
      0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  },
};

/** RSA as PKCS #1 v1.5, ECDSA in ASN.1 DER. */
export function signDigest(privateKey: KeyObject, name: DigestName, digest: Buffer): Buffer {
  if (digest.length !== digestLengths[name]) throw new Error(`${digest.length} bytes are no ${name} digest`);
  if (privateKey.asymmetricKeyType === 'ec') return signEcdsa(privateKey, digest);
  const digestInfo = Buffer.concat([Buffer.from(digestInfos[name], 'hex'), digest]);
  return privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, digestInfo);
}

/** FIPS 186-5 section 6.4.1; every digest here is at most as long as its curve's order. */
function signEcdsa(privateKey: KeyObject, digest: Buffer): Buffer {
  const { crv = '', d = '' } = privateKey.export({ format: 'jwk' });
  const { openssl, order } = curves[crv] ?? { openssl: '', order: 0n };
  const once = createECDH(openssl);
  const nonce = 1n + (numberOf(randomBytes(80)) % (order - 1n));
  const length = Math.ceil(order.toString(16).length / 2);
  once.setPrivateKey(Buffer.from(nonce.toString(16).padStart(2 * length, '0'), 'hex'));
  const point = once.getPublicKey();
  const r = numberOf(point.subarray(1, (point.length + 1) / 2)) % order;
  const secret = numberOf(Buffer.from(d, 'base64url'));
  const s = (inverse(nonce, order) * (numberOf(digest) + r * secret)) % order;
  return derElement(0x30, Buffer.concat([derInteger(r), derInteger(s)]));
}

function inverse(value: bigint, prime: bigint): bigint {
  let result = 1n;
  let base = value % prime;
  for (let exponent = prime - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % prime;
    base = (base * base) % prime;
  }
  return result;
}

function numberOf(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}

function derInteger(value: bigint): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return derElement(0x02, (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.alloc(1), bytes]));
}

function derElement(tag: number, content: Buffer): Buffer {
  const length = content.length < 0x80 ? [content.length] : [0x81, content.length];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}
