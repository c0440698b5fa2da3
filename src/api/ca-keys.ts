/** GET /v1/ca, POST /v1/ca/rotate and POST /v1/ca/retire: the CA keys, for operators. Times are unix seconds. */
import { z } from 'zod';
import { uint64, unixSeconds } from './common.ts';

const purpose = z.enum(['user', 'host', 'hop']);
const generation = z.int().positive();
/** URI of what holds the private key; no secret. */
const signer = z.string().min(1).max(1024);

export const caKey = z.strictObject({
  purpose,
  generation,
  /** next: trusted, signs nothing yet; retiring: trusted until its last certificate is over. */
  state: z.enum(['next', 'active', 'retiring', 'retired']),
  fingerprint: z.string(),
  signer,
  created_at: unixSeconds,
  activated_at: unixSeconds.nullable(),
  retiring_at: unixSeconds.nullable(),
  retired_at: unixSeconds.nullable(),
  compromised_at: unixSeconds.nullable(),
  /** Of a retiring key: when it retires by itself, as it stands now. */
  retires_at: unixSeconds.nullable(),
  /** Of a next key: who must still learn it before it may sign. For people. */
  waits_for: z.array(z.string()),
  /** What server processes say why they can't sign with it. */
  problems: z.array(z.string()),
});

/** The revocation list; null while there is no CA. sshd gets slow over one of more bytes than the limit. */
const krl = z
  .strictObject({
    version: uint64,
    revoked_serials: z.int().nonnegative(),
    bytes: z.int().positive(),
    limit: z.int().positive(),
  })
  .nullable();

export const caStatus = z.strictObject({ keys: z.array(caKey), krl });

export const rotateRequest = z.strictObject({
  purpose,
  signer: signer.optional(),
  /** Wait for nobody. */
  now: z.boolean().optional(),
});

export const rotateReply = z.strictObject({
  did: z.enum(['created', 'activated']),
  purpose,
  generation,
  waits_for: z.array(z.string()),
});

export const retireRequest = z.strictObject({
  purpose,
  generation,
  compromised: z.boolean().optional(),
  /** Of the key that signs instead, where there is no next one. */
  signer: signer.optional(),
});

export const retireReply = z.strictObject({
  purpose,
  generation,
  compromised: z.boolean(),
  /** The generation that signs instead from now on; null if that did not change. */
  replaced_by: generation.nullable(),
});

export type CaKeyDocument = z.infer<typeof caKey>;
export type CaStatus = z.infer<typeof caStatus>;
export type RotateReply = z.infer<typeof rotateReply>;
export type RetireReply = z.infer<typeof retireReply>;
