/** Asks for the newest release, and lets it count only if it may. */
import { SallyportError } from '../../errors/sallyport-error.ts';
import { fetchOf } from '../api-client.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import { isLoopback } from '../server-url.ts';
import { readSessionFacts } from '../session-file.ts';
import { withStateLock } from '../state-folder.ts';
import { judgeRelease, refusalTexts, type SeenRelease } from './judge-release.ts';
import { type CheckedRelease, checkRelease, largestRelease } from './manifest.ts';
import { readUpdateState, type UpdateState, writeUpdateState } from './update-state.ts';

export const releasePath = '/v1/releases/sally';

/** @throws unavailable, not_found, signature_invalid, request_malformed, access_denied, settings_invalid, file_refused */
export async function askForRelease(context: SallyContext): Promise<CheckedRelease> {
  const keys = context.environment.build?.releaseKeys ?? [];
  if (keys.length === 0) {
    throw new SallyportError(
      'settings_invalid',
      'This sally was built without a key for releases, so nobody can tell it of a newer one.',
    );
  }
  const url = await withStateLock(context.paths, async () => {
    const state = await readUpdateState(context.paths);
    await writeUpdateState(context.paths, { ...state, asked_at: nowSeconds(context) });
    return await addressOf(context, state);
  });
  const release = checkRelease(await fetchRelease(context, url), keys);
  return await withStateLock(context.paths, async () => {
    const state = await readUpdateState(context.paths);
    const [refusal] = judgeRelease({ release, program: 'sally', seen: seenOf(state), now: context.now() });
    if (refusal) {
      throw new SallyportError(
        'access_denied',
        `Refused what ${url.origin} says about releases: ${refusalTexts[refusal]}.`,
      );
    }
    const { number, version, digest, issuedAt } = release;
    const seen = { number, version, digest, issued_at: Math.floor(issuedAt.getTime() / 1000) };
    await writeUpdateState(context.paths, { ...state, seen });
    return release;
  });
}

/** @throws settings_invalid */
export function parseReleaseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe = url && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname)));
  if (url && isSafe && !url.username && !url.password && !url.hash) return url;
  throw new SallyportError(
    'settings_invalid',
    '--url must be an https address without user and fragment, such as https://releases.example.com/sally.release.',
  );
}

async function addressOf(context: SallyContext, state: UpdateState): Promise<URL> {
  if (state.url !== null) return parseReleaseUrl(state.url);
  const server = context.environment.server ?? (await readSessionFacts(context))?.server;
  if (server !== undefined) return parseReleaseUrl(new URL(releasePath, server).href);
  throw new SallyportError(
    'settings_invalid',
    'There is nobody to ask: log in, or name an address: sally update-check on --url URL',
  );
}

async function fetchRelease(context: SallyContext, url: URL): Promise<string> {
  const patienceMilliseconds = Math.min(context.patienceMilliseconds, 5_000);
  const fetchFrom = fetchOf({ ...context, patienceMilliseconds }, url);
  const response = await fetchFrom(url.href, { method: 'GET' });
  if (response.status === 404) {
    throw new SallyportError('not_found', `${url.origin} says nothing about releases of sally.`);
  }
  if (!response.ok) {
    throw new SallyportError('unavailable', `${url.origin} answered with ${response.status}.`);
  }
  const text = await response.text();
  if (text.length <= largestRelease) return text;
  throw new SallyportError('request_malformed', `${url.origin} sent more than a release can be.`);
}

function seenOf({ seen }: UpdateState): SeenRelease | undefined {
  return seen === null ? undefined : { ...seen, issuedAt: new Date(seen.issued_at * 1000) };
}
