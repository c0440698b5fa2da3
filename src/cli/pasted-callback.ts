/** What a person pastes in place of the browser's own visit: the address must be the one that this login waits for. */
import { sameText } from './same-text.ts';

const longest = 4096;

/** The address, or what is wrong with the line; undefined for an empty one. The code in it is good for this login alone. */
export function pastedCallback(
  line: string,
  { redirectUri, state }: { readonly redirectUri: string; readonly state: string },
): URL | string | undefined {
  // Terminals mark what is pasted (bracketed paste: ESC [200~ ... ESC [201~).
  const text = line.replaceAll('\u001b[200~', '').replaceAll('\u001b[201~', '').trim();
  if (text === '') return undefined;
  if (text.length > longest || !URL.canParse(text)) return notAnAddress;
  const url = new URL(text);
  const expected = new URL(redirectUri);
  if (url.origin !== expected.origin || url.pathname !== expected.pathname || url.username !== '') {
    return `That is not the address of this login, which begins with ${redirectUri}? Copy it from the browser's address bar.`;
  }
  const states = url.searchParams.getAll('state');
  if (states.length === 1 && sameText(states[0] ?? '', state)) return url;
  return 'That address is of another login, or not complete. Copy the whole of it, from the login that was started last.';
}

const notAnAddress =
  "That is not an address. Copy the whole line of the browser's address bar; Ctrl-C gives up.";
