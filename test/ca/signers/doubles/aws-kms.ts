/**
 * AWS KMS as its API reference documents GetPublicKey and Sign (JSON protocol 1.1), with request signatures checked as
 * "Signature Version 4" describes.
 */
import { createHash, createHmac, sign } from 'node:crypto';
import {
  type RunningService,
  type ServiceKey,
  type ServiceReply,
  type ServiceRequest,
  startService,
} from './key-service.ts';
import { type DigestName, signDigest } from './sign-digest.ts';

export const accessKeyId = 'AKIASALLYPORTDOUBLE0';
export const secretAccessKey = 'double/secret+access+key';
export const region = 'eu-central-2';

export interface KmsKey extends ServiceKey {
  readonly spec: string;
  readonly usage?: string;
  readonly alias?: string;
}

/** Sign, parameter SigningAlgorithm: which key spec may use it, and what the digest must be. */
const signingAlgorithms: Record<string, { specs: string[]; digest?: DigestName }> = {
  ECDSA_SHA_256: { specs: ['ECC_NIST_P256'], digest: 'sha256' },
  ECDSA_SHA_384: { specs: ['ECC_NIST_P384'], digest: 'sha384' },
  ECDSA_SHA_512: { specs: ['ECC_NIST_P521'], digest: 'sha512' },
  RSASSA_PKCS1_V1_5_SHA_256: { specs: ['RSA_2048', 'RSA_3072', 'RSA_4096'], digest: 'sha256' },
  RSASSA_PKCS1_V1_5_SHA_512: { specs: ['RSA_2048', 'RSA_3072', 'RSA_4096'], digest: 'sha512' },
  ED25519_SHA_512: { specs: ['ECC_NIST_EDWARDS25519'] },
};

export function arnOf(id: string): string {
  return `arn:aws:kms:${region}:123456789012:key/${id}`;
}

/** @param keys by their ids; may be changed while it runs */
export function startAwsKms(keys: Map<string, KmsKey>): Promise<RunningService> {
  return startService((request) => {
    if (!isSigned(request))
      return failure(400, 'InvalidSignatureException', 'The request signature does not match');
    if (request.headers['content-type'] !== 'application/x-amz-json-1.1') {
      return failure(400, 'SerializationException', 'not JSON 1.1');
    }
    const input = JSON.parse(request.body.toString('utf8'));
    const found = find(keys, input.KeyId);
    if (found === undefined) return failure(400, 'NotFoundException', `Key '${input.KeyId}' does not exist`);
    const target = request.headers['x-amz-target'];
    if (target === 'TrentService.GetPublicKey') return getPublicKey(...found);
    if (target === 'TrentService.Sign') return signMessage(...found, input);
    return failure(400, 'UnknownOperationException', `${target}`);
  });
}

/** As KMS writes an error, throttling included. */
export function failure(status: number, type: string, message: string): ServiceReply {
  return {
    status,
    headers: { 'content-type': 'application/x-amz-json-1.1' },
    body: JSON.stringify({ __type: type, message }),
  };
}

function find(keys: Map<string, KmsKey>, named: string): [string, KmsKey] | undefined {
  for (const [id, key] of keys) {
    if ([id, arnOf(id), key.alias].includes(named)) return [id, key];
  }
  return undefined;
}

function getPublicKey(id: string, { spec, usage = 'SIGN_VERIFY', publicKey }: KmsKey): ServiceReply {
  const SigningAlgorithms = Object.keys(signingAlgorithms).filter((name) =>
    signingAlgorithms[name]?.specs.includes(spec),
  );
  const der = publicKey.export({ format: 'der', type: 'spki' });
  return success({
    KeyId: arnOf(id),
    KeySpec: spec,
    CustomerMasterKeySpec: spec,
    KeyUsage: usage,
    PublicKey: der.toString('base64'),
    SigningAlgorithms,
  });
}

function signMessage(
  id: string,
  { spec, privateKey }: KmsKey,
  input: { Message: string; MessageType?: string; SigningAlgorithm: string },
): ServiceReply {
  const { MessageType = 'RAW', SigningAlgorithm } = input;
  const message = Buffer.from(input.Message, 'base64');
  const row = signingAlgorithms[SigningAlgorithm];
  if (row === undefined || !row.specs.includes(spec)) {
    return failure(
      400,
      'InvalidKeyUsageException',
      `Algorithm ${SigningAlgorithm} is incompatible with ${spec}`,
    );
  }
  if (message.length < 1 || message.length > 4096)
    return failure(400, 'ValidationException', 'message length');
  if (MessageType === 'RAW' && row.digest === undefined) {
    return success({
      KeyId: arnOf(id),
      SigningAlgorithm,
      Signature: sign(null, message, privateKey).toString('base64'),
    });
  }
  if (MessageType !== 'DIGEST' || row.digest === undefined)
    return failure(400, 'ValidationException', 'message type');
  try {
    const Signature = signDigest(privateKey, row.digest, message).toString('base64');
    return success({ KeyId: arnOf(id), SigningAlgorithm, Signature });
  } catch {
    return failure(400, 'ValidationException', 'Digest is invalid length for algorithm');
  }
}

function success(body: object): ServiceReply {
  return {
    status: 200,
    headers: { 'content-type': 'application/x-amz-json-1.1' },
    body: JSON.stringify(body),
  };
}

/** Whether the request carries the right Signature Version 4. */
function isSigned({ method, path, headers, body }: ServiceRequest): boolean {
  const form =
    /^AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)\/([0-9]{8})\/([a-z0-9-]+)\/kms\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$/;
  const [, id, date = '', inRegion, signed = '', signature] = form.exec(headers.authorization ?? '') ?? [];
  const time = `${headers['x-amz-date']}`;
  if (id !== accessKeyId || inRegion !== region || !time.startsWith(date)) return false;
  const names = signed.split(';');
  if (!['host', 'x-amz-date', 'x-amz-target'].every((name) => names.includes(name))) return false;
  const hash = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
  const canonical = [
    method,
    path,
    '',
    ...names.map((name) => `${name}:${`${headers[name]}`.trim()}`),
    '',
    signed,
    hash(body),
  ].join('\n');
  const scope = `${date}/${inRegion}/kms/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', time, scope, hash(canonical)].join('\n');
  const mac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
  const key = [inRegion, 'kms', 'aws4_request'].reduce<Buffer>(mac, mac(`AWS4${secretAccessKey}`, date));
  return mac(key, toSign).toString('hex') === signature;
}
