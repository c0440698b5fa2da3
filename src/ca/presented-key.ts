/** The key of a request: read and checked as far as it can be without the database, and then with it. */
import type { CertificateRequest } from '../api/certificates.ts';
import type { Tx } from '../database/database.ts';
import type { KeyFacts } from '../policy/facts.ts';
import { isSecurityKey } from '../ssh/key-types.ts';
import { checkPublicKeyBlob, parsePublicKeyLine } from '../ssh/public-key.ts';
import { type Attested, authorityFor, verifyAttestation } from '../ssh/sk-attestation.ts';
import { refuseListedKey } from '../ssh/weak-key-list.ts';
import type { Issuing } from './issuing.ts';
import { proofNeeded, verifyPossession } from './possession.ts';
import {
  type KeyOfSession,
  type RememberedKey,
  rememberAttestation,
  rememberedKeys,
  rememberProof,
} from './proven-keys.ts';

export interface PresentedKey {
  /** SSH public key blob. */
  readonly publicKey: Buffer;
  /** Undefined: it must have been proven in this session before. */
  readonly proof: KeyProof | undefined;
}

export interface KeyProof {
  readonly challenge: string;
  readonly userVerified: boolean;
  /** Whether it counts for the rest of the session. */
  readonly isKept: boolean;
  /** What the maker of the security key signed; whether anybody knows that maker is not asked yet. */
  readonly attested: Attested | undefined;
}

/** @throws the key's faults, key_possession_unproven, attestation_refused */
export function readPresentedKey(
  { domain, weakKeys }: Pick<Issuing, 'domain' | 'weakKeys'>,
  sessionId: string,
  { public_key, possession }: Pick<CertificateRequest, 'public_key' | 'possession'>,
): PresentedKey {
  const { blob: publicKey } = parsePublicKeyLine(public_key);
  if (weakKeys) refuseListedKey(weakKeys, publicKey);
  if (possession === undefined) return { publicKey, proof: undefined };
  const { challenge, attestation } = possession;
  const { userVerified } = verifyPossession({ publicKeyBlob: publicKey, sessionId, domain, possession });
  const document = attestation === undefined ? undefined : Buffer.from(attestation, 'base64');
  const attested = document && verifyAttestation({ document, challenge, publicKey });
  return {
    publicKey,
    proof: { challenge, userVerified, isKept: possession.keep === true, attested },
  };
}

/** What is remembered of the keys; those in files, of which there is nothing to remember, cost no statement. */
export async function readKeys<
  Asking extends { readonly key: PresentedKey } & Omit<KeyOfSession, 'publicKey'>,
>(tx: Tx, group: readonly Asking[]): Promise<ReadonlyMap<Asking, RememberedKey>> {
  const asked = group
    .filter(({ key }) => key.proof === undefined || isSecurityKey(checkPublicKeyBlob(key.publicKey)))
    .map((asking) => ({ ...asking, publicKey: asking.key.publicKey, asking }));
  const found = await rememberedKeys(tx, asked);
  return new Map([...found].map(([{ asking }, remembered]) => [asking, remembered]));
}

/** What the decision goes by, and the authority that vouches for the key as of now. @throws key_possession_unproven */
export function decideKey(
  { publicKey, proof }: PresentedKey,
  remembered: RememberedKey | undefined,
  now: Date,
): { readonly key: KeyFacts; readonly authority: string | undefined } {
  const counted = proof ?? remembered?.proof;
  if (counted === undefined) throw proofNeeded();
  const attested = proof?.attested;
  const authority = attested && authorityFor(attested.certificate, remembered?.authorities ?? [], now);
  return {
    key: {
      isSecurityKey: isSecurityKey(checkPublicKeyBlob(publicKey)),
      userVerified: counted.userVerified,
      attestedModel: (authority && attested?.model) ?? remembered?.attestedModel ?? null,
    },
    authority,
  };
}

export interface ProvenKey extends KeyOfSession {
  readonly key: PresentedKey;
  /** PEM. */
  readonly authority: string | undefined;
  readonly account: { readonly organizationId: string };
}

/** Keeps what was proven of a key that will come again. */
export async function rememberKey(
  tx: Tx,
  { key, authority, account, ...of }: ProvenKey,
  now: Date,
): Promise<void> {
  const { proof } = key;
  if (proof === undefined) return;
  if (proof.isKept) await rememberProof(tx, { ...of, userVerified: proof.userVerified }, now);
  if (proof.attested && authority !== undefined) {
    const { organizationId } = account;
    await rememberAttestation(tx, { ...of, organizationId, model: proof.attested.model, authority }, now);
  }
}
