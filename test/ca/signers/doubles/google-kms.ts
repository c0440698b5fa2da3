/**
 * Google Cloud KMS as its REST reference documents cryptoKeyVersions.getPublicKey and .asymmetricSign, and the metadata
 * server of a machine at Google, which gives the access token. The checksums are computed in another way than in src/.
 */
import { sign } from 'node:crypto';
import {
  type RunningService,
  type ServiceKey,
  type ServiceReply,
  type ServiceRequest,
  startService,
} from './key-service.ts';
import { type DigestName, signDigest } from './sign-digest.ts';

export const accessToken = 'ya29.double-access-token';

export interface GoogleKey extends ServiceKey {
  readonly algorithm: string;
}

/** Which field of `digest` an algorithm wants; none wants the data itself. */
const digests: Record<string, DigestName | undefined> = {
  EC_SIGN_ED25519: undefined,
  EC_SIGN_P256_SHA256: 'sha256',
  EC_SIGN_P384_SHA384: 'sha384',
  RSA_SIGN_PKCS1_2048_SHA256: 'sha256',
  RSA_SIGN_PKCS1_3072_SHA256: 'sha256',
  RSA_SIGN_PKCS1_4096_SHA256: 'sha256',
  RSA_SIGN_PKCS1_4096_SHA512: 'sha512',
};

/** The metadata server; its token is good for an hour. */
export function startMetadataServer(): Promise<RunningService> {
  return startService(({ path, headers }) => {
    const flavor = { 'metadata-flavor': 'Google', 'content-type': 'application/json' };
    if (headers['metadata-flavor'] !== 'Google') return { status: 403, headers: flavor, body: '' };
    if (!path.startsWith('/computeMetadata/v1/instance/service-accounts/default/token')) {
      return { status: 404, headers: flavor, body: '' };
    }
    const body = { access_token: accessToken, expires_in: 3599, token_type: 'Bearer' };
    return { status: 200, headers: flavor, body: JSON.stringify(body) };
  });
}

/** @param keys by the names of their versions */
export function startGoogleKms(keys: ReadonlyMap<string, GoogleKey>): Promise<RunningService> {
  return startService((request) => {
    if (request.headers.authorization !== `Bearer ${accessToken}`) {
      return failure(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.');
    }
    const [, name = '', verb] =
      /^\/v1\/(projects\/[^:]+?)(\/publicKey|:asymmetricSign)$/.exec(request.path) ?? [];
    const key = keys.get(name);
    if (key === undefined) return failure(404, 'NOT_FOUND', `CryptoKeyVersion ${name} not found.`);
    if (verb === '/publicKey' && request.method === 'GET') return getPublicKey(name, key);
    if (verb === ':asymmetricSign' && request.method === 'POST') return asymmetricSign(name, key, request);
    return failure(405, 'UNIMPLEMENTED', 'method');
  });
}

export function failure(status: number, reason: string, message: string): ServiceReply {
  return reply(status, { error: { code: status, message, status: reason } });
}

function getPublicKey(name: string, { algorithm, publicKey }: GoogleKey): ServiceReply {
  const pem = publicKey.export({ format: 'pem', type: 'spki' }).toString();
  return reply(200, {
    name,
    algorithm,
    pem,
    pemCrc32c: checksumOf(Buffer.from(pem)),
    protectionLevel: 'HSM',
  });
}

function asymmetricSign(
  name: string,
  { algorithm, privateKey }: GoogleKey,
  { headers, body }: ServiceRequest,
): ServiceReply {
  if (headers['content-type'] !== 'application/json') return failure(400, 'INVALID_ARGUMENT', 'content type');
  const input = JSON.parse(body.toString('utf8'));
  const hash = digests[algorithm];
  const payload = Buffer.from((hash === undefined ? input.data : input.digest?.[hash]) ?? '', 'base64');
  const claimed = hash === undefined ? input.dataCrc32c : input.digestCrc32c;
  if (payload.length === 0) return failure(400, 'INVALID_ARGUMENT', 'no data or digest of the right kind');
  if (claimed !== undefined && claimed !== checksumOf(payload)) {
    return failure(400, 'INVALID_ARGUMENT', 'checksum mismatch');
  }
  const signature =
    hash === undefined ? sign(null, payload, privateKey) : signDigest(privateKey, hash, payload);
  const verified = hash === undefined ? { verifiedDataCrc32c: true } : { verifiedDigestCrc32c: true };
  return reply(200, {
    name,
    signature: signature.toString('base64'),
    signatureCrc32c: checksumOf(signature),
    ...(claimed === undefined ? {} : verified),
    protectionLevel: 'HSM',
  });
}

function reply(status: number, body: object): ServiceReply {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=UTF-8' },
    body: JSON.stringify(body),
  };
}

/** CRC-32C, bit by bit; an int64 is a text in JSON. */
export function checksumOf(bytes: Buffer): string {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (0x82f6_3b78 & -(crc & 1));
  }
  return String((crc ^ 0xffff_ffff) >>> 0);
}
