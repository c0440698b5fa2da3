/**
 * `gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N`: one version of a key in Google Cloud KMS,
 * over its REST API. Google's own package finds the credentials and gets the access token; it is an optional package.
 * Requests and replies carry checksums, compared as Google asks for ("Verifying end-to-end data integrity").
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { decodeBase64 } from '../../ssh/base64.ts';
import { encodeSignature, type SignatureAlgorithm } from '../../ssh/signature.ts';
import type { BareSigner } from './bare-signer.ts';
import { crc32c } from './crc32c.ts';
import { blobOfSpki, refuseKind } from './key-algorithms.ts';
import {
  excerpt,
  type KeyService,
  type KeyServiceRequest,
  keyServiceFailure,
  openKeyService,
} from './key-service-request.ts';
import { loadOptional } from './load-optional.ts';
import { signerSetting } from './signer-settings.ts';
import type { SignerSurroundings } from './surroundings.ts';

interface AlgorithmRow {
  readonly algorithm: SignatureAlgorithm;
  /** Sent instead of the bytes; Ed25519 can't be signed from a digest. */
  readonly digest: 'sha256' | 'sha384' | 'sha512' | undefined;
}

/** CryptoKeyVersionAlgorithm. */
const algorithms: Readonly<Record<string, AlgorithmRow>> = {
  EC_SIGN_ED25519: { algorithm: 'ssh-ed25519', digest: undefined },
  EC_SIGN_P256_SHA256: { algorithm: 'ecdsa-sha2-nistp256', digest: 'sha256' },
  EC_SIGN_P384_SHA384: { algorithm: 'ecdsa-sha2-nistp384', digest: 'sha384' },
  RSA_SIGN_PKCS1_3072_SHA256: { algorithm: 'rsa-sha2-256', digest: 'sha256' },
  RSA_SIGN_PKCS1_4096_SHA256: { algorithm: 'rsa-sha2-256', digest: 'sha256' },
  RSA_SIGN_PKCS1_4096_SHA512: { algorithm: 'rsa-sha2-512', digest: 'sha512' },
};

const service = 'Google Cloud KMS';
/** The name that gcloud has for it too. */
const addressSetting = 'CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS';
const publicAddress = 'https://cloudkms.googleapis.com';
const scope = 'https://www.googleapis.com/auth/cloudkms';

const versionName =
  /^projects\/[a-z0-9:.-]+\/locations\/[a-z0-9-]+\/keyRings\/[\w-]+\/cryptoKeys\/[\w-]+\/cryptoKeyVersions\/[1-9][0-9]*$/;

/** A number in JSON's int64 form is a text. */
const checksum = z.string().regex(/^[0-9]{1,10}$/);
const publicKeyReply = z.object({
  name: z.string(),
  algorithm: z.string(),
  pem: z.string(),
  pemCrc32c: checksum,
});
const signReply = z.object({
  name: z.string(),
  signature: z.string(),
  signatureCrc32c: checksum,
  verifiedDigestCrc32c: z.boolean().default(false),
  verifiedDataCrc32c: z.boolean().default(false),
});

/** Asks with a token, and gives the reply's document. @throws signer_failed */
type Ask = (request: Omit<KeyServiceRequest, 'headers'>, signal: AbortSignal) => Promise<unknown>;

/** @throws settings_invalid, signer_failed */
export async function openGoogleKmsSigner(
  name: string,
  { environment }: SignerSurroundings,
  signal: AbortSignal,
): Promise<BareSigner> {
  if (!versionName.test(name)) {
    throw new SallyportError(
      'settings_invalid',
      'A gcpkms: signer names one version of a key: ' +
        'gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N',
    );
  }
  const address = signerSetting(environment, addressSetting) ?? publicAddress;
  const rest = openKeyService({ name: service, setting: addressSetting, address });
  try {
    const ask = await authorized(rest, name);
    const { algorithm: kind, pem } = readPublicKey(
      await ask({ method: 'GET', path: `/v1/${name}/publicKey` }, signal),
      name,
    );
    const row = Object.hasOwn(algorithms, kind) ? algorithms[kind] : undefined;
    if (row === undefined) throw refuseKind(service, kind, Object.keys(algorithms));
    const { algorithm, digest } = row;
    return {
      publicKey: blobOfSpki(pem, service),
      algorithm,
      sign: async (bytes, deadline) => {
        const body = digest === undefined ? dataBody(bytes) : digestBody(bytes, digest);
        const reply = await ask({ method: 'POST', path: `/v1/${name}:asymmetricSign`, body }, deadline);
        return encodeSignature(algorithm, readSignature(reply, name, digest));
      },
      close: async () => rest.close(),
    };
  } catch (error) {
    rest.close();
    throw error;
  }
}

async function authorized(rest: KeyService, name: string): Promise<Ask> {
  const { GoogleAuth } = await loadOptional(
    () => import('google-auth-library'),
    'google-auth-library',
    service,
  );
  // Without a project it would run gcloud to find one.
  const [, projectId = ''] = name.split('/');
  const auth = new GoogleAuth({ scopes: [scope], projectId });
  return async (request, signal) => {
    const token = await auth.getAccessToken().catch((error: Error) => {
      throw keyServiceFailure(service, `no credentials: ${excerpt(error.message)}`);
    });
    if (!token) throw keyServiceFailure(service, 'no credentials');
    const { status, body } = await rest.ask(
      { ...request, headers: { authorization: `Bearer ${token}` } },
      signal,
    );
    if (status === 200) return body;
    const said = z.object({ error: z.object({ status: z.string(), message: z.string() }) }).safeParse(body);
    const why = said.success ? `${said.data.error.status}: ${said.data.error.message}` : 'without a reason';
    throw keyServiceFailure(service, `it answered ${status}, ${excerpt(why)}`);
  };
}

function readPublicKey(reply: unknown, name: string): z.infer<typeof publicKeyReply> {
  const { success, data } = publicKeyReply.safeParse(reply);
  if (!success) throw keyServiceFailure(service, 'its description of the key is incomplete');
  if (data.name !== name) throw keyServiceFailure(service, 'it described another key');
  requireChecksum(Buffer.from(data.pem), data.pemCrc32c);
  return data;
}

function dataBody(bytes: Uint8Array): object {
  return { data: Buffer.from(bytes).toString('base64'), dataCrc32c: `${crc32c(bytes)}` };
}

function digestBody(bytes: Uint8Array, hash: NonNullable<AlgorithmRow['digest']>): object {
  const digest = createHash(hash).update(bytes).digest();
  return { digest: { [hash]: digest.toString('base64') }, digestCrc32c: `${crc32c(digest)}` };
}

/** The signature as OpenSSL has it. */
function readSignature(reply: unknown, name: string, digest: AlgorithmRow['digest']): Buffer {
  const { success, data } = signReply.safeParse(reply);
  if (!success) throw keyServiceFailure(service, 'its reply holds no signature');
  if (data.name !== name) throw keyServiceFailure(service, 'it signed with another key');
  const sawWhatWasSent = digest === undefined ? data.verifiedDataCrc32c : data.verifiedDigestCrc32c;
  if (!sawWhatWasSent) throw keyServiceFailure(service, 'the request was damaged on its way');
  const signature = decodeBase64(data.signature);
  if (signature === undefined) throw keyServiceFailure(service, 'its signature is not base64');
  requireChecksum(signature, data.signatureCrc32c);
  return signature;
}

function requireChecksum(bytes: Buffer, expected: string): void {
  if (crc32c(bytes) === Number(expected)) return;
  throw keyServiceFailure(service, 'the reply was damaged on its way');
}
