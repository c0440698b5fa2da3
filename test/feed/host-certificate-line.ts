/** A host certificate of a throw-away CA for tests that look at its serial only. */
import { assembleCertificate, certificateLine, encodeToBeSigned } from '../../src/ssh/encode-certificate.ts';
import { generateEd25519 } from '../../src/ssh/openssh-private-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';

const [ca, host] = [generateEd25519(), generateEd25519()];

export function hostCertificateLine(serial: bigint): string {
  const toBeSigned = encodeToBeSigned({
    kind: 'host',
    publicKey: host.publicKeyBlob,
    nonce: Buffer.alloc(32),
    serial,
    keyId: 'gateway/gate',
    principals: ['gate.sallyport'],
    validAfter: 1n,
    validBefore: 2n,
    criticalOptions: [],
    extensions: [],
    caPublicKey: ca.publicKeyBlob,
  });
  return certificateLine(assembleCertificate(toBeSigned, signWithKey(ca.privateKey, toBeSigned)));
}
