/** What OpenSSH says about a revocation list, asked with certificates made for the question. */
import { assembleCertificate, certificateLine } from '../../src/ssh/encode-certificate.ts';
import { ed25519RawKey } from '../../src/ssh/public-key.ts';
import { signWithKey } from '../../src/ssh/signature.ts';
import {
  ca,
  rawToBeSigned,
  type SampleKey,
  userFields,
  subject as usual,
} from '../ssh/sample-certificate.ts';
import { sshKeygen, type temporaryFolder } from './ssh-keygen.ts';

export interface AskedCertificate {
  readonly serial: bigint;
  readonly keyId?: string;
  readonly by?: SampleKey;
  readonly subject?: SampleKey;
}

/** The line of such a certificate, also with a key ID that we would not sign. */
export function lineOf({
  serial,
  keyId = userFields.keyId,
  by = ca,
  subject = usual,
}: AskedCertificate): string {
  const toBeSigned = rawToBeSigned({ serial, keyId, subject: ed25519RawKey(subject.blob), ca: by.blob });
  return certificateLine(assembleCertificate(toBeSigned, signWithKey(by.privateKey, toBeSigned)));
}

/** What `ssh-keygen -Q` says: which of the certificates are revoked. */
export function askSshKeygen(
  folder: ReturnType<typeof temporaryFolder>,
  krlFile: string,
  asked: readonly AskedCertificate[],
): boolean[] {
  const files = asked.map((certificate, index) =>
    folder.write(`asked-${index}-cert.pub`, `${lineOf(certificate)}\n`),
  );
  const { stdout, status, stderr } = sshKeygen(['-Q', '-f', krlFile, ...files]);
  const answers = stdout.split('\n').filter((line) => /: (ok|REVOKED)$/.test(line));
  if (answers.length !== asked.length) throw new Error(`ssh-keygen -Q: ${status} ${stderr}`);
  return answers.map((line) => line.endsWith('REVOKED'));
}
