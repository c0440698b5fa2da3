/**
 * The signed description of the newest `sally` (docs/installing.md), as whoever releases it has made it. What it says is
 * between them and `sally`, which checks it; here it must only be a file of that kind, so that a wrong path shows nobody
 * what else there is. It is read for everyone who asks: signing anew takes no restart.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { SallyportError } from '../errors/sallyport-error.ts';

const largestBytes = 64 * 1024;
const shape =
  /^sallyport-release 1\n[\x20-\x7e\n]*\n-----BEGIN SSH SIGNATURE-----\n[A-Za-z0-9+/=\n]+-----END SSH SIGNATURE-----\n$/;

/** @throws settings_invalid */
export async function readReleaseFile(path: string): Promise<string> {
  const text = await beginningOf(path);
  if (text.length <= largestBytes && shape.test(text)) return text;
  throw new SallyportError(
    'settings_invalid',
    `${path} is no sally.release as build/sign-release.ts makes it`,
  );
}

async function beginningOf(path: string): Promise<string> {
  try {
    // O_NONBLOCK: opening a named pipe would wait for its writer for ever.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(largestBytes + 1), 0, largestBytes + 1, 0);
      return buffer.toString('latin1', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new SallyportError('settings_invalid', `${path} can't be read (${code})`, { cause: error });
  }
}
