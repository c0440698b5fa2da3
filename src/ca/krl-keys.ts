/** Which CA keys a KRL has a section for, and which it names as revoked themselves. Pure. */
import type { CaKeyRecord } from './ca-key-store.ts';

export interface KrlKeys {
  /**
   * One section each: a serial counts as revoked only in the section of the key that signed it. Also retired ones, as
   * long as something of theirs is listed.
   */
  readonly listed: readonly CaKeyRecord[];
  /**
   * Blobs of keys that somebody else has. sshd looks for a certificate's CA among the revoked keys, so that whatever
   * they sign is refused (krl.c, ssh_krl_check_key). They stay for ever: what they sign can be valid for ever.
   */
  readonly compromised: Buffer[];
}

/**
 * Host certificates are not sshd's to check, so host CA keys are in no KRL.
 * @param hasRevoked whether something that the key signed is listed, other than its canary
 */
export function krlKeys(keys: readonly CaKeyRecord[], hasRevoked: (caKeyId: string) => boolean): KrlKeys {
  const ofUserCertificates = keys.filter(({ purpose }) => purpose !== 'host');
  return {
    listed: ofUserCertificates.filter(({ id, state }) => state !== 'retired' || hasRevoked(id)),
    compromised: ofUserCertificates
      .filter(({ compromisedAt }) => compromisedAt !== null)
      .map(({ publicKey }) => publicKey),
  };
}
