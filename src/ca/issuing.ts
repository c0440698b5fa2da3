import type { Database } from '../database/database.ts';
import type { WeakKeyList } from '../ssh/weak-key-list.ts';
import type { Signer } from './signer.ts';

/**
 * What a CA key is for. People's certificates, machines' host certificates, and the one-minute certificates of a
 * connection's second leg come from keys of their own, so that each is trusted only where it must be.
 */
export const purposes = ['user', 'host', 'hop'] as const;
export type Purpose = (typeof purposes)[number];

/** A generation of a CA key that this process can sign with. */
export interface CaKey {
  readonly id: string;
  readonly purpose: Purpose;
  readonly generation: number;
  /** SSH public key blob. */
  readonly publicKey: Buffer;
  readonly signer: Signer;
}

/** The CA keys as they are now: a rotation shows at the next call, so ask again for each certificate. */
export interface CaKeys {
  /** The generation that new certificates come from. @throws signer_failed if this process can't sign with it */
  active(purpose: Purpose): CaKey;
  /** A key that may still sign what was stored for it: active or retiring. */
  byId(id: string): CaKey | undefined;
  /** User CA keys that sign KRLs besides the active one, for companions that know no newer one. */
  vouching(): readonly CaKey[];
  /** Reads the keys again: what is asked afterwards is not older than what the database told before. */
  refresh(): Promise<void>;
}

/** What issuing needs, whatever it issues. */
export interface Issuing {
  readonly db: Database;
  readonly domain: string;
  /** What certificates name as who vouched for a passkey; https and the domain if it is left out. */
  readonly publicOrigin?: string;
  readonly clock: () => Date;
  readonly keys: CaKeys;
  /** Public keys that nobody may have certified; none if it is left out. */
  readonly weakKeys?: WeakKeyList;
}

export function publicOriginOf({ publicOrigin, domain }: Pick<Issuing, 'publicOrigin' | 'domain'>): string {
  return publicOrigin ?? `https://${domain}`;
}
