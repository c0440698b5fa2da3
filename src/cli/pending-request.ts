/**
 * `pending.json`: the certificate that is being asked for. It is on disk before the request leaves, so that after a lost
 * reply or a crash the same request is sent again, with the same key, and gets the certificate that is already stored.
 */
import { createPrivateKey, type KeyObject, randomUUID } from 'node:crypto';
import { unlink } from 'node:fs/promises';
import { z } from 'zod';
import { unixSeconds } from '../api/common.ts';
import { readPrivateFile, writeFileAtomically } from '../files/write-file.ts';
import { encodeOpensshPrivateKey, generateEd25519 } from '../ssh/openssh-private-key.ts';
import { ed25519PublicKeyBlob } from '../ssh/public-key.ts';
import { ignoreMissing } from './session-file.ts';
import type { StatePaths } from './state-paths.ts';

const pendingDocument = z.strictObject({
  v: z.literal(1),
  request_id: z.uuid(),
  session_id: z.uuid(),
  created_at: unixSeconds,
  /** PKCS #8, PEM. */
  private_key: z.string(),
});

export interface PendingRequest {
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly publicKeyBlob: Buffer;
  /** The text of the key file. */
  readonly openssh: string;
}

/** The certificate of an older request would already be due for renewal. */
const goodSeconds = 300;

/** The request under way for this session, or a new one; on disk either way. */
export async function pendingRequest(
  paths: StatePaths,
  about: { sessionId: string; account: string; nowSeconds: number },
): Promise<PendingRequest> {
  const found = await readPending(paths);
  const isGood =
    found?.session_id === about.sessionId && Math.abs(about.nowSeconds - found.created_at) < goodSeconds;
  if (found && isGood) return requestOf(found.request_id, createPrivateKey(found.private_key), about.account);

  const { privateKey } = generateEd25519();
  const id = randomUUID();
  const document = pendingDocument.parse({
    v: 1,
    request_id: id,
    session_id: about.sessionId,
    created_at: about.nowSeconds,
    private_key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
  });
  await writeFileAtomically(paths.pending, `${JSON.stringify(document)}\n`, { mode: 0o600 });
  return requestOf(id, privateKey, about.account);
}

export async function forgetPending(paths: StatePaths): Promise<void> {
  await unlink(paths.pending).catch(ignoreMissing);
}

async function readPending(paths: StatePaths): Promise<z.infer<typeof pendingDocument> | undefined> {
  const bytes = await readPrivateFile(paths.pending);
  if (!bytes) return undefined;
  try {
    return pendingDocument.safeParse(JSON.parse(bytes.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

function requestOf(id: string, privateKey: KeyObject, account: string): PendingRequest {
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
  const publicKey = Buffer.from(x, 'base64url');
  return {
    id,
    privateKey,
    publicKeyBlob: ed25519PublicKeyBlob(publicKey),
    openssh: encodeOpensshPrivateKey({ seed: Buffer.from(d, 'base64url'), publicKey, comment: account }),
  };
}
