/** Keys of the issuers that rules name: discovered, cached, and fetched again when a token names an unknown one. */
import type { JWTPayload } from 'jose';

export interface TokenIssuers {
  /**
   * Verifies signature, issuer, audience and times.
   * @throws grant_invalid saying what is wrong; unavailable if the issuer's keys can't be had
   */
  verify(
    jwt: string,
    expected: { readonly issuer: string; readonly audience: string },
    now: Date,
  ): Promise<JWTPayload>;
}
