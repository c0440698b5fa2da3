/** The armor of OpenSSH's text files: a BEGIN line, base64 in lines of 70 characters, an END line. */
import { decodeBase64 } from './base64.ts';

export function armor(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,70}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/** The bytes inside, or undefined if the text is anything but one armored block. */
export function unarmor(label: string, text: string): Buffer | undefined {
  const lines = text.replace(/\r\n/g, '\n').replace(/\n$/, '').split('\n');
  if (lines.shift() !== `-----BEGIN ${label}-----` || lines.pop() !== `-----END ${label}-----`)
    return undefined;
  return decodeBase64(lines.join(''));
}
