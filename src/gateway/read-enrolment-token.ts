import { readFile } from 'node:fs/promises';
import { SallyportError } from '../errors/sallyport-error.ts';

/** The one-time token of a file, or of standard input. @throws file_refused, settings_invalid */
export async function readEnrolmentToken(
  file: string | undefined,
  readInput: () => Promise<string>,
): Promise<string> {
  const token = (await (file === undefined ? readInput() : readTokenFile(file))).trim();
  if (/^\S{20,200}$/.test(token)) return token;
  throw new SallyportError(
    'settings_invalid',
    `There is no enrolment token ${file === undefined ? 'on standard input; or name a file: --token-file FILE' : `in ${file}`}. An operator makes one at the server: sallyport enrolment-token NAME`,
  );
}

async function readTokenFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read';
    throw new SallyportError('file_refused', `${file} ${why}.`, { cause });
  }
}
