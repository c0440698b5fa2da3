/** Signs with a key of the person's own, wherever it is: in a file, behind a passphrase, in the agent, on a token. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { SallyportError } from '../errors/sallyport-error.ts';

/**
 * `ssh-keygen -Y sign` (ssh-keygen(1)), which asks for a passphrase or a touch on the terminal by itself. Of a .pub file
 * it takes the private key beside it, or the agent's.
 * @returns an armored SSHSIG @throws file_refused, program_missing
 */
export async function signWithOwnKey(
  file: string,
  { message, namespace }: { readonly message: Buffer; readonly namespace: string },
  environment?: NodeJS.ProcessEnv,
): Promise<string> {
  const child = spawn('ssh-keygen', ['-q', '-Y', 'sign', '-f', file, '-n', namespace], {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(environment && { env: environment }),
  });
  child.stdin.on('error', () => {});
  child.stdin.end(message);
  const status = new Promise<number | null>((resolve, reject) => {
    child.once('error', () =>
      reject(new SallyportError('program_missing', 'ssh-keygen is missing. It comes with OpenSSH.')),
    );
    child.once('close', resolve);
  });
  const [signature, code] = await Promise.all([text(child.stdout), status]);
  if (code === 0 && signature.includes('BEGIN SSH SIGNATURE')) return signature;
  throw new SallyportError(
    'file_refused',
    `${file} could not be signed with. Is the private key beside it, or in your agent? Look with: ssh-add -l`,
  );
}
