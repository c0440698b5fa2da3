/** Base64 in its only valid spelling (RFC 4648 sections 3.3 and 3.5): nothing skipped, exact padding, no loose bits. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
