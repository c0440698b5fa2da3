/**
 * Keys that are known to be weak and can't be told by looking at them, such as what Debian's broken generator made
 * (CVE-2008-0166). The format is that of Debian's openssh-blacklist and of ssh-vulnkey: a key a line, the last 20
 * hexadecimal digits of the MD5 of its blob; lines that begin with # are comments.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import { makeAKey } from './inspect-key.ts';
import { md5Fingerprint } from './key-listing.ts';

export type WeakKeyList = ReadonlySet<string>;

const digitsListed = 20;

/** @throws settings_invalid for a line that is neither a key nor a comment, and for a list without keys */
export function parseWeakKeyList(text: string): WeakKeyList {
  const keys = new Set<string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === '' || line.startsWith('#')) continue;
    if (!/^[0-9a-f]{20}$/.test(line)) {
      throw new SallyportError(
        'settings_invalid',
        `line ${index + 1} of the list of weak keys is not ${digitsListed} hexadecimal digits, as in Debian's openssh-blacklist`,
      );
    }
    keys.add(line);
  }
  if (keys.size > 0) return keys;
  throw new SallyportError('settings_invalid', 'the list of weak keys holds no key');
}

/** @throws key_weak if the key is on the list */
export function refuseListedKey(list: WeakKeyList, blob: Uint8Array): void {
  const digits = md5Fingerprint(blob).replace('MD5:', '').replaceAll(':', '');
  if (!list.has(digits.slice(-digitsListed))) return;
  throw new SallyportError(
    'key_weak',
    `The key is on the list of keys that others can make too. ${makeAKey}`,
  );
}
