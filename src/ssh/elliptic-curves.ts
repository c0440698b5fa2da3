/** The curves of ECDSA in SSH (RFC 5656 section 10.1), by their names there. */
export type EllipticCurve = 'nistp256' | 'nistp384' | 'nistp521';

interface CurveRow {
  /** RFC 7518 section 6.2.1.1: what a JWK calls it. */
  readonly crv: string;
  /** Bytes of a coordinate, and of each half of a signature. */
  readonly fieldBytes: number;
  /** RFC 5656 section 6.2.1: the hash that signatures on it use. */
  readonly hash: string;
}

export const ellipticCurves: Readonly<Record<EllipticCurve, CurveRow>> = {
  nistp256: { crv: 'P-256', fieldBytes: 32, hash: 'sha256' },
  nistp384: { crv: 'P-384', fieldBytes: 48, hash: 'sha384' },
  nistp521: { crv: 'P-521', fieldBytes: 66, hash: 'sha512' },
};
