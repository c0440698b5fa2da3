/**
 * Makes a key in a security key (FIDO2 or U2F), by ssh-keygen and whatever it talks to security keys with. What lies here
 * afterwards is a handle, which is good with that very security key alone.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { readPrivateFile } from '../../files/write-file.ts';
import { publicKeyLine } from '../../ssh/public-key.ts';
import { readSecurityKeyFile } from '../../ssh/sk-private-key.ts';
import type { SallyContext } from '../context.ts';
import { printable } from '../printable.ts';
import type { StoredSession } from '../session-file.ts';
import { fileKeyType } from './file-key.ts';
import { runCaptured } from './run-program-captured.ts';

export type SecurityKey = Extract<StoredSession['key'], { readonly kind: 'sk' }>;

export interface FoundKey {
  readonly key: SecurityKey;
  readonly asksVerification: boolean;
}

export interface KeyToMake {
  readonly account: string;
  readonly resident: boolean;
  readonly verify: boolean;
  /** What the maker's word is to be over; absent: it is not asked for. */
  readonly challenge: string | undefined;
}

/** Keys of other applications do not sign for ours (PROTOCOL.u2f). */
const application = 'ssh:sallyport';

/** The handle that is here already. */
export async function findSecurityKey(context: SallyContext): Promise<FoundKey | undefined> {
  const folder = folderOf(context);
  for (const name of await readdir(folder).catch(() => [])) {
    if (!/^[0-9a-f]{16}$/.test(name)) continue;
    const file = join(folder, name);
    const bytes = await readPrivateFile(file);
    const found = bytes && readSecurityKeyFile(bytes.toString('utf8'));
    if (!found) continue;
    const { publicKey, asksVerification } = found;
    return { key: securityKeyAt(context, file, publicKey), asksVerification };
  }
  return undefined;
}

/** @returns the new key, and what its maker says of it @throws file_refused, program_missing */
export async function makeSecurityKey(
  context: SallyContext,
  asked: KeyToMake,
): Promise<{ readonly key: SecurityKey; readonly attestation: Buffer | undefined }> {
  const folder = folderOf(context);
  const beside = join(folder, `.${randomUUID()}`);
  await mkdir(beside, { recursive: true, mode: 0o700 });
  try {
    const { challenge } = asked;
    const attestation = join(beside, 'attestation');
    if (challenge !== undefined) await writeFile(join(beside, 'challenge'), challenge, { mode: 0o600 });
    await enrol(context, beside, asked);
    const text = await readFile(join(beside, 'key'), 'utf8');
    const made = readSecurityKeyFile(text);
    if (!made)
      throw new SallyportError('file_refused', 'ssh-keygen made something else than a security key.');
    const name = createHash('sha256').update(made.publicKey).digest('hex').slice(0, 16);
    await rename(join(beside, 'key'), join(folder, name));
    await forgetOthers(folder, name);
    return {
      key: securityKeyAt(context, join(folder, name), made.publicKey),
      attestation: challenge === undefined ? undefined : await readFile(attestation),
    };
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
}

/** Ed25519 where the security key knows it, ECDSA where it does not, or where this machine may not use it. */
async function enrol(context: SallyContext, folder: string, asked: KeyToMake): Promise<void> {
  const isForFips = (await fileKeyType(context, { kind: 'file' })) === 'ecdsa';
  context.terminal.tell('Touch your security key: it makes a key for SSH.');
  for (const type of isForFips ? ['ecdsa-sk'] : ['ed25519-sk', 'ecdsa-sk']) {
    const { status, stderr } = await runCaptured(context, 'ssh-keygen', argumentsFor(type, folder, asked));
    if (status === 0) return;
    context.debug.say(`ssh-keygen -t ${type}: ${stderr}`);
    if (type === 'ed25519-sk' && /not supported/.test(stderr)) continue;
    const why = printable(stderr.trim().split(/\r?\n/).at(-1) ?? '');
    throw new SallyportError(
      'file_refused',
      `The security key made no key. ssh-keygen says: ${why || 'nothing'}. Is it plugged in, and was it touched? Then run again: sally login --key sk`,
    );
  }
}

function argumentsFor(
  type: string,
  folder: string,
  { account, resident, verify, challenge }: KeyToMake,
): string[] {
  const options = [
    `application=${application}`,
    ...(resident ? ['resident'] : []),
    ...(verify ? ['verify-required'] : []),
    ...(challenge === undefined
      ? []
      : [`challenge=${join(folder, 'challenge')}`, `write-attestation=${join(folder, 'attestation')}`]),
  ];
  const file = join(folder, 'key');
  return [
    '-q',
    '-t',
    type,
    '-f',
    file,
    '-N',
    '',
    '-C',
    account,
    ...options.flatMap((option) => ['-O', option]),
  ];
}

async function forgetOthers(folder: string, name: string): Promise<void> {
  for (const other of await readdir(folder)) {
    if (other !== name && !other.startsWith('.')) await rm(join(folder, other), { force: true });
  }
}

function securityKeyAt({ environment }: SallyContext, file: string, publicKey: Buffer): SecurityKey {
  const provider = environment.forPrograms?.['SSH_SK_PROVIDER'];
  return {
    kind: 'sk',
    public_key: publicKeyLine({ blob: publicKey }),
    key_file: file,
    // ssh itself looks at the variable only where it was built without support for USB.
    ...(provider && isAbsolute(provider) && { provider }),
  };
}

function folderOf({ paths }: SallyContext): string {
  return join(paths.own, 'security-keys');
}
