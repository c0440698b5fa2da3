/**
 * The AAGUID in a maker's certificate: the extension id-fido-gen-ce-aaguid, 1.3.6.1.4.1.45724.1.1.4 (WebAuthn level 3
 * section 8.2.1). node:crypto shows no extensions, so the certificate's DER (RFC 5280 section 4.1) is walked here.
 */

const objectId = Buffer.from('2b0601040182e51c010104', 'hex');

/** As FIDO metadata writes it; undefined if there is none. @param der of a certificate that OpenSSL has read */
export function modelOfCertificate(der: Buffer): string | undefined {
  const [certificate] = elements(der);
  const [signed] = elements(certificate?.content);
  // TBSCertificate: extensions [3] EXPLICIT SEQUENCE OF Extension.
  const wrapped = elements(signed?.content).find(({ tag }) => tag === 0xa3);
  const [list] = elements(wrapped?.content);
  for (const { content } of elements(list?.content)) {
    const [id, ...rest] = elements(content);
    if (!id?.content.equals(objectId)) continue;
    const [value] = elements(rest.at(-1)?.content);
    const hex = value?.tag === 0x04 && value.content.length === 16 ? value.content.toString('hex') : '';
    // One that is not as it must be is no other model, but nobody's.
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }
  return undefined;
}

interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

/** The elements of a DER string one after the other (X.690 section 8.1); none from where it is no DER any more. */
function elements(der: Buffer | undefined): Element[] {
  const found: Element[] = [];
  let rest = der ?? Buffer.alloc(0);
  while (rest.length >= 2) {
    const [tag = 0, short = 0] = rest;
    const extra = short > 0x80 && short <= 0x84 ? short - 0x80 : 0;
    if (short >= 0x80 && (extra === 0 || rest.length < 2 + extra)) break;
    const length = extra === 0 ? short : rest.readUIntBE(2, extra);
    const start = 2 + extra;
    if (start + length > rest.length) break;
    found.push({ tag, content: rest.subarray(start, start + length) });
    rest = rest.subarray(start + length);
  }
  return found;
}
