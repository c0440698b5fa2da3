/** Bytes as text, whatever they are: UTF-8 if they are, else one character for each byte. Not safe for a terminal. */
export function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes).toString('latin1');
  }
}
