/** `sally login --key`: where the private key of the certificate is to be. */
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { FileKeyType } from './file-key.ts';

export type KeyWish =
  /** Without a type: what this machine is for. */
  | { readonly kind: 'file'; readonly type?: FileKeyType }
  | SecurityKeyWish
  /** A fingerprint or a comment. */
  | { readonly kind: 'agent'; readonly which: string };

export interface SecurityKeyWish {
  readonly kind: 'sk';
  /** The handle is kept in the security key, too, so that other machines can read it from there. */
  readonly resident: boolean;
  /** It asks for a PIN or a finger at each use. */
  readonly verify: boolean;
  /** Not the one that is here already. */
  readonly anew: boolean;
}

export interface KeyOptions {
  readonly key?: string;
  readonly resident?: boolean;
  readonly pin?: boolean;
  readonly newKey?: boolean;
}

const fileTypes: ReadonlyMap<string, KeyWish> = new Map<string, KeyWish>([
  ['file', { kind: 'file' }],
  ['ed25519', { kind: 'file', type: 'ed25519' }],
  ['ecdsa', { kind: 'file', type: 'ecdsa' }],
  ['rsa', { kind: 'file', type: 'rsa' }],
]);

/** Undefined: the key of before, or one in a file. @throws settings_invalid */
export function keyWish({
  key,
  resident = false,
  pin = false,
  newKey = false,
}: KeyOptions): KeyWish | undefined {
  if (key === 'sk') return { kind: 'sk', resident, verify: pin, anew: newKey || resident };
  if (resident || pin || newKey) {
    throw new SallyportError(
      'settings_invalid',
      '--resident, --pin and --new-key are about security keys. Add --key sk',
    );
  }
  if (key === undefined) return undefined;
  const which = /^agent:(.+)$/.exec(key)?.[1];
  if (which !== undefined) return { kind: 'agent', which };
  const wish = fileTypes.get(key);
  if (wish) return wish;
  throw new SallyportError(
    'settings_invalid',
    'A key is named by --key sk (a security key), --key file, --key ecdsa, --key rsa, or --key agent:FINGERPRINT for one in your agent.',
  );
}
