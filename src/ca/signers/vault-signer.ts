/**
 * `vault:<mount>/<key>[@version]`: a key of the transit engine of HashiCorp Vault or OpenBao, over their HTTP API.
 *
 * A transit key has versions, each another key pair. The version is part of what is meant, and it is 1 unless the URI
 * says otherwise: rotating the transit key must not change a CA key whose name stands in the database.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { decodeBase64 } from '../../ssh/base64.ts';
import { ed25519PublicKeyBlob } from '../../ssh/public-key.ts';
import { encodeSignature, type SignatureAlgorithm } from '../../ssh/signature.ts';
import type { BareSigner } from './bare-signer.ts';
import { blobOfSpki, refuseKind } from './key-algorithms.ts';
import {
  excerpt,
  type KeyService,
  type KeyServiceReply,
  type KeyServiceRequest,
  keyServiceFailure,
  openKeyService,
} from './key-service-request.ts';
import type { SecretSource } from './secret-file.ts';
import { signerSetting } from './signer-settings.ts';
import { readSecret, type SignerSurroundings } from './surroundings.ts';

export const tokenSource: SecretSource = { setting: 'VAULT_TOKEN_FILE', credential: 'sallyport-vault-token' };

interface KeyTypeRow {
  readonly algorithm: SignatureAlgorithm;
  /** What the sign request says about it. */
  readonly parameters: Readonly<Record<string, string>>;
}

const rsa: KeyTypeRow = {
  algorithm: 'rsa-sha2-512',
  parameters: { hash_algorithm: 'sha2-512', signature_algorithm: 'pkcs1v15' },
};

function ecdsa(algorithm: SignatureAlgorithm, hash: string): KeyTypeRow {
  return { algorithm, parameters: { hash_algorithm: hash, marshaling_algorithm: 'asn1' } };
}

const keyTypes: Readonly<Record<string, KeyTypeRow>> = {
  ed25519: { algorithm: 'ssh-ed25519', parameters: {} },
  'ecdsa-p256': ecdsa('ecdsa-sha2-nistp256', 'sha2-256'),
  'ecdsa-p384': ecdsa('ecdsa-sha2-nistp384', 'sha2-384'),
  'ecdsa-p521': ecdsa('ecdsa-sha2-nistp521', 'sha2-512'),
  'rsa-3072': rsa,
  'rsa-4096': rsa,
};

const service = 'Vault';
const signerName = /^((?:[\w.-]+\/)*[\w.-]+)\/([\w.-]+?)(?:@([1-9][0-9]{0,8}))?$/;

const keyReply = z.object({
  data: z.object({
    type: z.string(),
    supports_signing: z.boolean().default(true),
    derived: z.boolean().default(false),
    keys: z.record(z.string(), z.unknown()),
  }),
});
const versionEntry = z.object({ public_key: z.string() });
const signReply = z.object({ data: z.object({ signature: z.string() }) });

/** Asks with the token, and gives the reply's document. @throws signer_failed */
type Ask = (request: Omit<KeyServiceRequest, 'headers'>, signal: AbortSignal) => Promise<unknown>;

/** @throws settings_invalid, file_refused, signer_failed */
export async function openVaultSigner(
  rest: string,
  surroundings: SignerSurroundings,
  signal: AbortSignal,
): Promise<BareSigner> {
  const [, mount, name, version = '1'] = signerName.exec(rest) ?? [];
  if (mount === undefined || name === undefined || /(^|\/)\.\.?(\/|$)/.test(`${mount}/${name}`)) {
    throw new SallyportError(
      'settings_invalid',
      'A vault: signer names the mount of a transit engine, a key and perhaps its version: vault:transit/user-ca@2',
    );
  }
  const vault = await openVault(surroundings.environment);
  const ask = authorized(vault, surroundings.environment);
  try {
    const document = await ask({ method: 'GET', path: `/v1/${mount}/keys/${name}` }, signal);
    const { publicKey, algorithm, parameters } = readKey(document, version);
    return {
      publicKey,
      algorithm,
      sign: async (bytes, deadline) => {
        const input = Buffer.from(bytes).toString('base64');
        const body = { input, key_version: Number(version), ...parameters };
        const reply = await ask({ method: 'POST', path: `/v1/${mount}/sign/${name}`, body }, deadline);
        return encodeSignature(algorithm, readSignature(reply, version));
      },
      close: async () => vault.close(),
    };
  } catch (error) {
    vault.close();
    throw error;
  }
}

async function openVault(environment: NodeJS.ProcessEnv): Promise<KeyService> {
  const address = signerSetting(environment, 'VAULT_ADDR');
  if (!address) throw new SallyportError('settings_invalid', `Where is ${service}? Set VAULT_ADDR.`);
  const caFile = signerSetting(environment, 'VAULT_CACERT');
  return openKeyService({
    name: service,
    setting: 'VAULT_ADDR',
    address,
    ca: caFile ? await readAuthorities(caFile) : undefined,
  });
}

async function readAuthorities(path: string): Promise<Buffer> {
  return await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new SallyportError('settings_invalid', `VAULT_CACERT: ${path} can't be read (${error.code}).`);
  });
}

/** The token's file is read for every request: whoever renews it (an agent of Vault) replaces it when it likes. */
function authorized(vault: KeyService, environment: NodeJS.ProcessEnv): Ask {
  const namespace = signerSetting(environment, 'VAULT_NAMESPACE');
  const once = (request: Omit<KeyServiceRequest, 'headers'>, token: string, signal: AbortSignal) => {
    const inNamespace = namespace ? { 'x-vault-namespace': namespace } : {};
    const headers = { 'x-vault-request': 'true', 'x-vault-token': token, ...inNamespace };
    return vault.ask({ ...request, headers }, signal);
  };
  return async (request, signal) => {
    const token = await readToken(environment);
    const reply = await once(request, token, signal);
    if (reply.status !== 403) return documentOf(reply);
    // It may have been replaced between reading and asking.
    const newer = await readToken(environment);
    return documentOf(newer === token ? reply : await once(request, newer, signal));
  };
}

function documentOf({ status, body }: KeyServiceReply): unknown {
  if (status === 200) return body;
  const said = z.object({ errors: z.array(z.string()) }).safeParse(body);
  const why = said.success && said.data.errors.length > 0 ? said.data.errors.join('; ') : 'without a reason';
  throw keyServiceFailure(service, `it answered ${status}, ${excerpt(why)}`);
}

async function readToken(environment: NodeJS.ProcessEnv): Promise<string> {
  const token = await readSecret(environment, tokenSource);
  if (token === undefined) {
    throw new SallyportError(
      'settings_invalid',
      `Where is the token for ${service}? Name its file in ${tokenSource.setting}, or give the systemd credential ${tokenSource.credential}.`,
    );
  }
  if (!token.every((byte) => byte > 0x20 && byte < 0x7f)) {
    throw new SallyportError(
      'settings_invalid',
      `The file that ${tokenSource.setting} names holds no token.`,
    );
  }
  const text = token.toString('latin1');
  token.fill(0);
  return text;
}

function readKey(document: unknown, version: string): KeyTypeRow & { readonly publicKey: Buffer } {
  const { success, data: reply } = keyReply.safeParse(document);
  if (!success) throw keyServiceFailure(service, 'its description of the key is incomplete');
  const { type, keys, supports_signing: canSign, derived } = reply.data;
  const row = Object.hasOwn(keyTypes, type) ? keyTypes[type] : undefined;
  if (row === undefined || !canSign || derived) throw refuseKind(service, type, Object.keys(keyTypes));
  const entry = versionEntry.safeParse(Object.hasOwn(keys, version) ? keys[version] : undefined);
  if (!entry.success) {
    throw new SallyportError(
      'settings_invalid',
      `${service}: the key has no version ${version}. There are: ${excerpt(Object.keys(keys).join(', '))}.`,
    );
  }
  return { ...row, publicKey: readPublicKey(type, entry.data.public_key) };
}

/** Ed25519 keys come as their 32 bytes in base64, the others as PEM. */
function readPublicKey(type: string, text: string): Buffer {
  if (type !== 'ed25519') return blobOfSpki(text, service);
  const raw = decodeBase64(text);
  if (raw === undefined) throw keyServiceFailure(service, 'its public key is not base64');
  return ed25519PublicKeyBlob(raw);
}

/** `vault:v<version>:<base64>`, the signature as OpenSSL has it. */
function readSignature(reply: unknown, version: string): Buffer {
  const { success, data: document } = signReply.safeParse(reply);
  const [, signedBy, base64 = ''] =
    (success && /^vault:v([0-9]+):([A-Za-z0-9+/]+={0,2})$/.exec(document.data.signature)) || [];
  const signature = decodeBase64(base64);
  if (signedBy === undefined || signature === undefined) {
    throw keyServiceFailure(service, 'its reply holds no signature');
  }
  if (signedBy !== version) {
    throw keyServiceFailure(service, `it signed with version ${signedBy} instead of ${version}`);
  }
  return signature;
}
