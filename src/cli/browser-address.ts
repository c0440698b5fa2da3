/** What may be handed to the program that opens a browser: it opens files and starts programs just as readily. */
import { SallyportError } from '../errors/sallyport-error.ts';

/** The address as text, if it is a page of this very server. @throws login_provider_error */
export function browserAddress(url: URL, server: URL): string {
  const isWeb = url.protocol === 'https:' || url.protocol === 'http:';
  // URL has escaped white space, quotes and everything beyond ASCII; what is left are letters no shell cares for, or %XX.
  const isPlain = /^https?:\/\/[a-z0-9[][A-Za-z0-9._~:/?#[\]@&=+,%-]*$/.test(url.href);
  if (isWeb && isPlain && url.origin === server.origin && !url.username && !url.password) return url.href;
  throw new SallyportError(
    'login_provider_error',
    `${server.origin} names a login address that is not a page of its own. Nothing was opened. Check --server.`,
  );
}
