import type { Database } from '../database/database.ts';
import type { Signer } from './signer.ts';

export type Purpose = 'user' | 'host';

/** A CA key that signs. */
export interface ActiveKey {
  readonly id: string;
  readonly generation: number;
  readonly signer: Signer;
}

/** What issuing needs, whatever it issues. */
export interface Issuing {
  readonly db: Database;
  readonly domain: string;
  readonly clock: () => Date;
  readonly key: ActiveKey;
}
