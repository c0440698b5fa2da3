/** Where a CI system's token comes from, if not from a variable: a file that is replaced, or GitHub's own endpoint. */
import { open } from 'node:fs/promises';
import { z } from 'zod';
import { SallyportError } from '../errors/sallyport-error.ts';
import { printable } from './printable.ts';
import { isLoopback } from './server-url.ts';

const longestToken = 32 * 1024;

/** @throws token_missing */
export async function readTokenFile(path: string): Promise<string> {
  try {
    const file = await open(path);
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(longestToken), 0, longestToken, 0);
      const token = buffer.toString('latin1', 0, bytesRead).trim();
      if (token !== '') return token;
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw missing(`${printable(path)} of SALLY_ID_TOKEN_FILE cannot be read (${code}).`);
  }
  throw missing(`${printable(path)} of SALLY_ID_TOKEN_FILE is empty.`);
}

const githubReply = z.object({ value: z.string().min(1).max(longestToken) });

/** The token of a job of GitHub Actions, asked for with this server as its audience. @throws token_missing, unavailable */
export async function requestToken(
  get: (url: URL, headers: Headers) => Promise<Response>,
  request: { url: string; token: string },
  server: URL,
): Promise<string> {
  const url = URL.canParse(request.url) ? new URL(request.url) : undefined;
  // The token goes along: not in clear, and nowhere but where the runner says.
  if (!url || (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname)))) {
    throw missing('ACTIONS_ID_TOKEN_REQUEST_URL is not an https address.');
  }
  url.searchParams.set('audience', server.origin);
  try {
    const authorization = `Bearer ${request.token}`;
    const response = await get(url, new Headers({ authorization, accept: 'application/json' }));
    if (response.ok) return githubReply.parse(await response.json()).value;
    throw new Error(`status ${response.status}`);
  } catch (error) {
    const why = error instanceof z.ZodError ? 'its reply holds no token' : String((error as Error).message);
    throw new SallyportError(
      'unavailable',
      `GitHub Actions gives this job no OpenID Connect token (${printable(why)}). The workflow wants permissions: id-token: write`,
    );
  }
}

function missing(problem: string): SallyportError {
  return new SallyportError('token_missing', problem);
}
