/** Where the private key of the certificate is and what it asks of its person, for them and for scripts. */
import { readPrivateFile } from '../../files/write-file.ts';
import { keyTypes, type PublicKeyType } from '../../ssh/key-types.ts';
import { checkPublicKeyBlob, fingerprint } from '../../ssh/public-key.ts';
import { readSecurityKeyFile } from '../../ssh/sk-private-key.ts';
import type { CurrentPair } from '../current-pair.ts';
import type { StoredSession } from '../session-file.ts';

export interface KeyInUse {
  readonly place: 'file' | 'security-key' | 'agent';
  /** As SSH names it; null: there is no certificate now. */
  readonly type: PublicKeyType | null;
  readonly fingerprint: string | null;
  /** Of a security key: whether each use asks for a PIN or a finger; null: of another key, or nothing tells. */
  readonly asks_verification: boolean | null;
}

const places = { file: 'file', sk: 'security-key', agent: 'agent' } as const;

export async function keyInUse(
  { key }: Pick<StoredSession, 'key'>,
  pair: CurrentPair | undefined,
): Promise<KeyInUse> {
  return {
    place: places[key.kind],
    type: pair ? checkPublicKeyBlob(pair.publicKey) : null,
    // When it is looked at: most never do, and to load what makes digests takes longer than the rest.
    get fingerprint() {
      return pair ? fingerprint(pair.publicKey) : null;
    },
    asks_verification: key.kind === 'sk' ? await asksVerification(key.key_file) : null,
  };
}

/** The handle says it of itself. It may have been moved, or be damaged: whatever uses it next says so. */
async function asksVerification(path: string): Promise<boolean | null> {
  try {
    const bytes = await readPrivateFile(path);
    const handle = bytes && readSecurityKeyFile(bytes.toString('utf8'));
    return handle ? handle.asksVerification : null;
  } catch {
    return null;
  }
}

export function keyText(key: KeyInUse): string {
  const { place, type, asks_verification: asks } = key;
  const label = type === null ? '' : `${keyTypes[type].label}, `;
  if (place === 'file') return `${label}in a file that each renewal replaces`;
  if (place === 'agent') {
    const { fingerprint: digest } = key;
    return `${label}in your ssh-agent${digest === null ? '' : `, ${digest}`}`;
  }
  if (asks === null) return `${label}in a security key, whose handle can't be read`;
  return `${label}in a security key that asks for ${asks ? 'a PIN or a finger' : 'a touch alone'}`;
}

export function secretsText(secrets: StoredSession['secrets']): string {
  return secrets === 'file'
    ? 'in a file that only you can read'
    : "sealed, with the key in the system's keychain";
}
