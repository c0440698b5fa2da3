/**
 * `awskms:<key id, key ARN, alias/NAME or alias ARN>`: a key in AWS KMS. Region, address and credentials are found by
 * the AWS SDK as in every program that uses it. The SDK is an optional package.
 */
import { createHash } from 'node:crypto';
import type { GetPublicKeyCommandOutput, KMSClient, SigningAlgorithmSpec } from '@aws-sdk/client-kms';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { encodeSignature, type SignatureAlgorithm } from '../../ssh/signature.ts';
import type { BareSigner } from './bare-signer.ts';
import { blobOfSpki, refuseKind } from './key-algorithms.ts';
import { excerpt, keyServiceFailure } from './key-service-request.ts';
import { loadOptional } from './load-optional.ts';
import type { SignerSurroundings } from './surroundings.ts';

interface KeySpecRow {
  readonly algorithm: SignatureAlgorithm;
  readonly signing: SigningAlgorithmSpec;
  /** Sent instead of the bytes, of which KMS takes at most 4096; Ed25519 can't be signed from a digest. */
  readonly digest: 'sha256' | 'sha384' | 'sha512' | undefined;
}

const rsa: KeySpecRow = { algorithm: 'rsa-sha2-512', signing: 'RSASSA_PKCS1_V1_5_SHA_512', digest: 'sha512' };

const keySpecs: Readonly<Record<string, KeySpecRow>> = {
  ECC_NIST_P256: { algorithm: 'ecdsa-sha2-nistp256', signing: 'ECDSA_SHA_256', digest: 'sha256' },
  ECC_NIST_P384: { algorithm: 'ecdsa-sha2-nistp384', signing: 'ECDSA_SHA_384', digest: 'sha384' },
  ECC_NIST_P521: { algorithm: 'ecdsa-sha2-nistp521', signing: 'ECDSA_SHA_512', digest: 'sha512' },
  ECC_NIST_EDWARDS25519: { algorithm: 'ssh-ed25519', signing: 'ED25519_SHA_512', digest: undefined },
  RSA_3072: rsa,
  RSA_4096: rsa,
};

const service = 'AWS KMS';
/** The SDK waits before it tries again, and whoever wants a signature waits with it. */
const maxAttempts = 2;
/** AWS KMS, Sign, parameter Message. */
const longestRawMessage = 4096;

/** @throws settings_invalid, signer_failed */
export async function openAwsKmsSigner(
  keyId: string,
  _surroundings: SignerSurroundings,
  signal: AbortSignal,
): Promise<BareSigner> {
  if (!/^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)\/)?[A-Za-z0-9/_-]{1,256}$/.test(keyId)) {
    throw new SallyportError(
      'settings_invalid',
      'An awskms: signer names a key by its id, its ARN or its alias, such as awskms:alias/sallyport-user-ca.',
    );
  }
  const kms = await loadOptional(() => import('@aws-sdk/client-kms'), '@aws-sdk/client-kms', service);
  const [, , , region] = keyId.startsWith('arn:') ? keyId.split(':') : [];
  const client = new kms.KMSClient({ maxAttempts, ...(region === undefined ? {} : { region }) });
  try {
    const reply = await ask(() =>
      client.send(new kms.GetPublicKeyCommand({ KeyId: keyId }), { abortSignal: signal }),
    );
    return signerOf(client, kms.SignCommand, readPublicKey(reply));
  } catch (error) {
    client.destroy();
    throw error;
  }
}

interface PinnedKey extends KeySpecRow {
  readonly publicKey: Buffer;
  /** The key's own ARN: an alias may be moved to another key later. */
  readonly arn: string;
}

function readPublicKey(reply: GetPublicKeyCommandOutput): PinnedKey {
  const { KeyId: arn, KeySpec: keySpec = '', KeyUsage: usage, PublicKey: spki } = reply;
  const row = Object.hasOwn(keySpecs, keySpec) ? keySpecs[keySpec] : undefined;
  if (usage !== 'SIGN_VERIFY' || row === undefined) throw refuseKind(service, keySpec, Object.keys(keySpecs));
  if (arn === undefined || spki === undefined || !reply.SigningAlgorithms?.includes(row.signing)) {
    throw keyServiceFailure(service, `it does not say that the key can sign with ${row.signing}`);
  }
  return { ...row, arn, publicKey: blobOfSpki(spki, service) };
}

function signerOf(
  client: KMSClient,
  SignCommand: typeof import('@aws-sdk/client-kms').SignCommand,
  { arn, publicKey, algorithm, signing, digest }: PinnedKey,
): BareSigner {
  return {
    publicKey,
    algorithm,
    sign: async (bytes, signal) => {
      if (digest === undefined && bytes.length > longestRawMessage) {
        throw keyServiceFailure(
          service,
          `an Ed25519 key signs at most ${longestRawMessage} bytes there and ${bytes.length} are to be signed; ` +
            'use a key of kind ECC_NIST_P256',
        );
      }
      const message =
        digest === undefined
          ? { Message: bytes, MessageType: 'RAW' as const }
          : { Message: createHash(digest).update(bytes).digest(), MessageType: 'DIGEST' as const };
      const reply = await ask(() =>
        client.send(new SignCommand({ KeyId: arn, SigningAlgorithm: signing, ...message }), {
          abortSignal: signal,
        }),
      );
      if (reply.KeyId !== arn) throw keyServiceFailure(service, 'it signed with another key');
      if (reply.SigningAlgorithm !== signing || reply.Signature === undefined) {
        throw keyServiceFailure(service, `it gave no ${signing} signature`);
      }
      return encodeSignature(algorithm, reply.Signature);
    },
    close: async () => client.destroy(),
  };
}

/** An error of the SDK names the request and its credentials' key id; only its name and its own text are kept. */
async function ask<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    throw keyServiceFailure(service, `${excerpt(name)}: ${excerpt(message)}`);
  }
}
