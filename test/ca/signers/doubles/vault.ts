/** The transit engine of HashiCorp Vault and OpenBao as their API documentation describes reading a key and signing. */
import { sign } from 'node:crypto';
import {
  type RunningService,
  type ServiceKey,
  type ServiceReply,
  type ServiceRequest,
  startService,
  type TlsFiles,
} from './key-service.ts';

export interface TransitKey {
  readonly type: string;
  /** Key pairs by version; rotating adds one. */
  readonly versions: Map<number, ServiceKey>;
  readonly derived?: boolean;
}

export interface VaultDouble {
  /** By `<mount>/<name>`. */
  readonly keys: ReadonlyMap<string, TransitKey>;
  /** Which tokens may sign; changes as tokens are revoked and renewed. */
  readonly tokens: Set<string>;
  readonly namespace?: string;
  readonly tls?: TlsFiles;
}

const hashes: Record<string, string> = { 'sha2-256': 'sha256', 'sha2-384': 'sha384', 'sha2-512': 'sha512' };

export function startVault({ keys, tokens, namespace, tls }: VaultDouble): Promise<RunningService> {
  return startService(answer, tls);

  function answer({ method, path, headers, body }: ServiceRequest): ServiceReply {
    if (headers['x-vault-request'] !== 'true') return failure(412, 'missing X-Vault-Request');
    if (!tokens.has(`${headers['x-vault-token']}`)) return failure(403, 'permission denied');
    if (headers['x-vault-namespace'] !== namespace) return failure(404, 'no handler for route');
    const [, mount, verb, name] = /^\/v1\/(.+)\/(keys|sign)\/([^/]+)$/.exec(path) ?? [];
    const key = keys.get(`${mount}/${name}`);
    if (verb === 'keys' && method === 'GET')
      return key ? readKey(`${name}`, key) : reply(404, { errors: [] });
    if (verb !== 'sign' || method !== 'POST') return failure(405, 'unsupported operation');
    return key ? signInput(key, JSON.parse(body.toString('utf8'))) : failure(400, 'signing key not found');
  }
}

export function failure(status: number, message: string): ServiceReply {
  return reply(status, { errors: [message] });
}

function readKey(name: string, { type, versions, derived = false }: TransitKey): ServiceReply {
  const described = [...versions].map(([version, { publicKey }]) => [
    version,
    {
      creation_time: '2026-11-01T00:00:00.000000000Z',
      name: type,
      public_key:
        type === 'ed25519'
          ? publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')
          : publicKey.export({ format: 'pem', type: 'spki' }),
    },
  ]);
  return reply(200, {
    request_id: '4dd1c8b2-0000-4000-8000-000000000000',
    lease_id: '',
    renewable: false,
    lease_duration: 0,
    data: {
      name,
      type,
      derived,
      exportable: false,
      keys: Object.fromEntries(described),
      latest_version: Math.max(...versions.keys()),
      min_available_version: 0,
      min_decryption_version: 1,
      min_encryption_version: 0,
      supports_signing: type !== 'aes256-gcm96',
    },
  });
}

interface SignInput {
  input: string;
  key_version?: number;
  hash_algorithm?: string;
  signature_algorithm?: string;
  marshaling_algorithm?: string;
}

/** As documented: the latest version, SHA-256, PSS for RSA and ASN.1 for ECDSA, unless the request says otherwise. */
function signInput({ type, versions }: TransitKey, input: SignInput): ServiceReply {
  const version = input.key_version || Math.max(...versions.keys());
  const key = versions.get(version)?.privateKey;
  if (key === undefined) return failure(400, 'cannot sign: requested version for signing does not exist');
  const bytes = Buffer.from(input.input, 'base64');
  const hash = hashes[input.hash_algorithm ?? 'sha2-256'];
  if (hash === undefined) return failure(400, `invalid hash algorithm ${input.hash_algorithm}`);
  if (type.startsWith('rsa') && input.signature_algorithm !== 'pkcs1v15')
    return failure(400, 'the double makes no PSS');
  if (type.startsWith('ecdsa') && (input.marshaling_algorithm ?? 'asn1') !== 'asn1') {
    return failure(400, 'the double makes no JWS');
  }
  const signature = sign(type === 'ed25519' ? null : hash, bytes, key);
  return reply(200, {
    data: { key_version: version, signature: `vault:v${version}:${signature.toString('base64')}` },
  });
}

function reply(status: number, body: object): ServiceReply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
