/** The line that makes `ssh` trust host certificates of a CA (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). */
import { SallyportError } from '../errors/sallyport-error.ts';
import { isHostName } from './names.ts';
import { publicKeyLine } from './public-key.ts';

/**
 * `@cert-authority <patterns> <type> <base64> <comment>`, without a line end.
 * @param patterns each a host name, `*.<domain>` or `[<one of these>]:<port>`; never a bare `*`, which would trust the
 *   CA for every host on earth
 * @throws name_refused
 */
export function certAuthorityLine(
  patterns: readonly string[],
  caPublicKey: { readonly type: string; readonly blob: Uint8Array },
  comment: string,
): string {
  if (patterns.length === 0 || !patterns.every(isHostPattern)) {
    throw new SallyportError(
      'name_refused',
      'A host pattern must be a lower-case host name, *.<domain>, or one of these as [name]:port.',
    );
  }
  return `@cert-authority ${patterns.join(',')} ${publicKeyLine({ ...caPublicKey, comment })}`;
}

function isHostPattern(pattern: string): boolean {
  const [, bracketed, port] = /^\[(.*)\]:([1-9][0-9]{0,4})$/.exec(pattern) ?? [];
  if (port !== undefined && Number(port) > 65_535) return false;
  return isHostName((bracketed ?? pattern).replace(/^\*\./, ''));
}
