import { spawn } from 'node:child_process';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { printable } from '../printable.ts';

export interface AskedProgram {
  readonly keychain: string;
  readonly program: string;
  /** Never a secret: everybody on the machine may read them. */
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly stdin?: string;
  /** An exit code that says: there is no such secret. */
  readonly noneStatus?: number;
}

/** The person may be asked to unlock it. */
const patienceMilliseconds = 30_000;

/** @returns what the program says; undefined: there is no such secret @throws keychain_failed */
export async function askProgram(asked: AskedProgram): Promise<string | undefined> {
  const { keychain, program, args, environment, stdin = '', noneStatus } = asked;
  return await new Promise((resolve, reject) => {
    const child = spawn(program, [...args], {
      env: environment,
      stdio: 'pipe',
      timeout: patienceMilliseconds,
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.once('error', (error: NodeJS.ErrnoException) => {
      const missing = `${program} is not installed${hints[program] ?? ''}`;
      reject(failed(keychain, error.code === 'ENOENT' ? missing : error.message));
    });
    child.once('close', (status, signal) => {
      const said = printable(Buffer.concat(err).toString('utf8').trim().slice(0, 200));
      if (status === 0) resolve(Buffer.concat(out).toString('utf8').trim());
      else if (status === noneStatus && said === '') resolve(undefined);
      else if (signal) reject(failed(keychain, 'it did not answer in time'));
      else reject(failed(keychain, said === '' ? `${program} ended with ${status}` : said));
    });
    child.stdin.on('error', () => {}); // a program that reads no input
    child.stdin.end(stdin);
  });
}

const hints: Readonly<Record<string, string>> = {
  'secret-tool': '. On Debian and Ubuntu: apt install libsecret-tools',
};

function failed(keychain: string, reason: string): SallyportError {
  return new SallyportError(
    'keychain_failed',
    `${keychain} does not do it (${reason}). Unlock it and try again; or log in with the tokens in a file that only you can read: sally login --no-keychain`,
  );
}
