/** The machine's SSH host key: made once, 0600, and never replaced. Signing with it is left to ssh-keygen. */
import { dirname } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';
import { ensurePrivateFolder, readPrivateFile, writeFileAtomically } from '../files/write-file.ts';
import { generateEd25519 } from '../ssh/openssh-private-key.ts';
import { parsePublicKeyLine, publicKeyLine } from '../ssh/public-key.ts';
import { verifySshsig } from '../ssh/sshsig.ts';
import { runProgram } from './run-program.ts';

/**
 * Makes an Ed25519 key if there is none. One that lies elsewhere is the machine's own: it is used as it is.
 * @returns its public key line @throws file_refused, key_malformed
 */
export async function ensureHostKey(stateFolder: string, path: string, sshKeygen: string): Promise<string> {
  await ensurePrivateFolder(stateFolder);
  if (dirname(path) === stateFolder && (await readPrivateFile(path)) === undefined) {
    const key = generateEd25519();
    const line = publicKeyLine({ type: 'ssh-ed25519', blob: key.publicKeyBlob });
    await writeFileAtomically(`${path}.pub`, `${line}\n`, { mode: 0o644 });
    await writeFileAtomically(path, key.openssh('sallyport host key'), { mode: 0o600 });
  }
  const { status, stdout } = await runProgram(sshKeygen, ['-y', '-f', path]);
  if (status !== 0) {
    throw new SallyportError('file_refused', `${path} is not a private key that ${sshKeygen} can read.`);
  }
  const { type, blob } = parsePublicKeyLine(stdout);
  return publicKeyLine({ type, blob });
}

/** @returns an armored SSHSIG, checked. @throws signature_invalid */
export async function signWithHostKey(
  sshKeygen: string,
  path: string,
  publicLine: string,
  { message, namespace }: { readonly message: Uint8Array; readonly namespace: string },
): Promise<string> {
  const { status, stdout, stderr } = await runProgram(
    sshKeygen,
    ['-q', '-Y', 'sign', '-f', path, '-n', namespace],
    { input: message },
  );
  if (status !== 0) {
    throw new SallyportError('signature_invalid', 'ssh-keygen could not sign with the host key.', {
      detail: stderr,
    });
  }
  verifySshsig({ message, namespace, armored: stdout, publicKeyBlob: parsePublicKeyLine(publicLine).blob });
  return stdout;
}
