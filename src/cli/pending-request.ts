/**
 * `pending.json`: the certificate that is being asked for. It is on disk before the request leaves, so that after a lost
 * reply or a crash the same request is sent again, with the same key, and gets the certificate that is already stored.
 */
import { createPrivateKey, type KeyObject, randomUUID } from 'node:crypto';
import { unlink } from 'node:fs/promises';
import { z } from 'zod';
import { unixSeconds } from '../api/common.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { readPrivateFile, writeFileAtomically } from '../files/write-file.ts';
import { opensshPrivateKeyOf } from '../ssh/openssh-private-key.ts';
import { parsePublicKeyLine, publicKeyBlobOf } from '../ssh/public-key.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import { type FileKeyType, fileKeyType, makeFileKey } from './hardware/file-key.ts';
import type { StoredSession } from './session-file.ts';
import type { StatePaths } from './state-paths.ts';

const pendingDocument = z.strictObject({
  v: z.literal(2),
  request_id: z.uuid(),
  session_id: z.uuid(),
  created_at: unixSeconds,
  /** A key that was made for this request alone. PKCS #8, PEM. */
  private_key: z.string().nullable(),
  /** A key that is certified again and again: its line. */
  public_key: z.string().nullable(),
});
type Pending = z.infer<typeof pendingDocument>;

export interface PendingRequest {
  readonly id: string;
  readonly publicKeyBlob: Buffer;
  /** Undefined: the key is in hardware, or in the person's agent. */
  readonly privateKey: KeyObject | undefined;
  /** The text of the key file: of a key in an agent its public line, which is all that ssh needs of it there. */
  readonly keyFile: string;
}

/** The certificate of an older request would already be due for renewal. */
const goodSeconds = 300;

type About = Pick<StoredSession, 'session_id' | 'account' | 'key'>;

/** The request under way for this session and its key, or a new one; on disk either way. */
export async function pendingRequest(context: SallyContext, session: About): Promise<PendingRequest> {
  const { paths } = context;
  const { key } = session;
  const type = await fileKeyType(context, key);
  const found = await readPending(paths);
  if (found && isGood(found, session, type, nowSeconds(context))) return await requestOf(found, session);

  const isFile = key.kind === 'file';
  const document: Pending = {
    v: 2,
    request_id: randomUUID(),
    session_id: session.session_id,
    created_at: nowSeconds(context),
    private_key: isFile ? String(makeFileKey(type).export({ format: 'pem', type: 'pkcs8' })) : null,
    public_key: isFile ? null : key.public_key,
  };
  await writeFileAtomically(paths.pending, `${JSON.stringify(pendingDocument.parse(document))}\n`, {
    mode: 0o600,
  });
  return await requestOf(document, session);
}

export async function forgetPending(paths: StatePaths): Promise<void> {
  await unlink(paths.pending).catch(ignoreMissing);
}

function isGood(found: Pending, { session_id, key }: About, type: FileKeyType, now: number): boolean {
  if (found.session_id !== session_id || Math.abs(now - found.created_at) >= goodSeconds) return false;
  if (key.kind !== 'file') return found.public_key === key.public_key;
  if (found.private_key === null) return false;
  return createPrivateKey(found.private_key).asymmetricKeyType === (type === 'ecdsa' ? 'ec' : type);
}

async function readPending(paths: StatePaths): Promise<Pending | undefined> {
  const bytes = await readPrivateFile(paths.pending);
  if (!bytes) return undefined;
  try {
    return pendingDocument.safeParse(JSON.parse(bytes.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

async function requestOf(document: Pending, { account, key }: About): Promise<PendingRequest> {
  const { request_id: id, private_key, public_key } = document;
  if (private_key !== null) {
    const privateKey = createPrivateKey(private_key);
    const keyFile = opensshPrivateKeyOf(privateKey, account);
    return { id, publicKeyBlob: publicKeyBlobOf(privateKey), privateKey, keyFile };
  }
  const line = public_key ?? '';
  const { blob: publicKeyBlob } = parsePublicKeyLine(line);
  const keyFile = key.kind === 'sk' ? await handleIn(key.key_file) : `${line}\n`;
  return { id, publicKeyBlob, privateKey: undefined, keyFile };
}

/** What ssh needs to use a security key. */
async function handleIn(file: string): Promise<string> {
  const bytes = await readPrivateFile(file);
  if (bytes) return bytes.toString('utf8');
  throw new SallyportError(
    'file_refused',
    `${file}, which names your security key to ssh, is gone. Run: sally login --key sk`,
  );
}
