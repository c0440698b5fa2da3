/**
 * Which machine a host key is, by the host CAs that the server has told us: only machines that show a certificate of one
 * of them are ours. Pure.
 */
import { isSallyportError } from '../../errors/sallyport-error.ts';
import { parseCertificate } from '../../ssh/parse-certificate.ts';
import { fingerprint, isCertificateType, parsePublicKeyLine } from '../../ssh/public-key.ts';
import { verifyCertificateBy } from '../../ssh/verify-certificate.ts';
import { WireReader } from '../../ssh/wire.ts';
import { hostSuffix } from '../ssh-config-text.ts';

export interface KnownMachine {
  /** Of its host key, as the server knows it: SHA256:... */
  readonly fingerprint: string;
  /** What it may be called, without our suffix. */
  readonly names: readonly string[];
}

/** Blobs of the host CA keys in our known_hosts. A line that is not understood is none. */
export function hostAuthorities(knownHosts: string): Buffer[] {
  return knownHosts.split('\n').flatMap((line) => {
    const [marker, pattern, ...key] = line.split(' ');
    if (marker !== '@cert-authority' || pattern !== `*.${hostSuffix}`) return [];
    try {
      return [parsePublicKeyLine(key.join(' ')).blob];
    } catch (error) {
      if (isSallyportError(error)) return [];
      throw error;
    }
  });
}

/** The plain key of a host, whose certificate this may be. @throws key_malformed, certificate_malformed */
export function plainHostKey(blob: Buffer): Buffer {
  const type = new WireReader(blob, 'key_malformed', 'host key').text();
  return isCertificateType(type) ? parseCertificate(blob).publicKey : blob;
}

/** Undefined: it is none of ours, or its certificate is not good now. */
export function knownMachine(
  blob: Buffer,
  authorities: readonly Buffer[],
  nowSeconds: number,
): KnownMachine | undefined {
  try {
    const certificate = parseCertificate(blob);
    verifyCertificateBy(certificate, authorities);
    const { kind, validAfter, validBefore, principals, publicKey } = certificate;
    const isGood = kind === 'host' && BigInt(nowSeconds) >= validAfter && BigInt(nowSeconds) < validBefore;
    const names = principals
      .filter((name) => name.endsWith(`.${hostSuffix}`))
      .map((name) => name.slice(0, -hostSuffix.length - 1));
    return isGood && names.length > 0 ? { fingerprint: fingerprint(publicKey), names } : undefined;
  } catch (error) {
    if (isSallyportError(error)) return undefined;
    throw error;
  }
}
