/** The server that `sally` talks to: an origin, encrypted unless it is this machine. */
import { SallyportError } from '../errors/sallyport-error.ts';

/** What `npm start` opens. */
export const demoServer = 'http://localhost:8420';

/** @throws settings_invalid */
export function parseServerUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw wrong('must be an address such as https://ssh.example.com');
  }
  if (url.username || url.password || url.search || url.hash || url.pathname !== '/') {
    throw wrong('must be an origin such as https://ssh.example.com, without user, path, query or fragment');
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw wrong('must be https: plain http is for this machine itself only');
  }
  return url;
}

/** Whether the name means this machine, whatever a resolver says (RFC 6761 section 6.3, RFC 8252 section 7.3). */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.[0-9]{1,3}){3}$/.test(hostname);
}

function wrong(problem: string): SallyportError {
  return new SallyportError(
    'settings_invalid',
    `The server ${problem}. Give it with: sally login --server URL`,
  );
}
