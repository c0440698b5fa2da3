/** Asks the server for a certificate of a key, with the proof that whoever asks holds it, and checks what comes. */
import type { KeyObject } from 'node:crypto';
import {
  certificateReply,
  type EnvironmentName,
  possessionChallenge,
  possessionMessage,
} from '../api/certificates.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { Certificate } from '../ssh/certificate.ts';
import { isMachinePrincipal, splitKeyId } from '../ssh/names.ts';
import { parseCertificateLine } from '../ssh/parse-certificate.ts';
import { publicKeyLine } from '../ssh/public-key.ts';
import { signWithKey } from '../ssh/signature.ts';
import { signSshsig } from '../ssh/sshsig.ts';
import { verifyCertificate } from '../ssh/verify-certificate.ts';
import { callApi } from './api-client.ts';
import { nowSeconds, type SallyContext } from './context.ts';
import type { LiveSession } from './session-file.ts';

export interface CertificateWish {
  /** Sent again after a lost reply it gives the same certificate. */
  readonly requestId: string;
  readonly privateKey: KeyObject;
  readonly publicKeyBlob: Buffer;
  /** What the certificate is narrowed to. */
  readonly environment?: EnvironmentName | undefined;
  /** Fingerprint of the host key of the one machine that it is good for. */
  readonly machine?: string | undefined;
}

/** @returns the certificate's line @throws what the server refuses with; login_provider_error for one that is not good */
export async function requestCertificate(
  context: SallyContext,
  session: LiveSession,
  { requestId, privateKey, publicKeyBlob, environment, machine }: CertificateWish,
): Promise<string> {
  const { challenge, namespace } = await callApi(context, session, {
    method: 'POST',
    path: '/v1/certificates/challenge',
    reply: possessionChallenge,
  });
  const signature = await signSshsig({
    message: possessionMessage(session.session_id, challenge),
    // The server says its namespace, but never that of another purpose (PROTOCOL.sshsig).
    namespace: possessionNamespace(namespace),
    publicKeyBlob,
    sign: (bytes) => signWithKey(privateKey, bytes),
  });
  const reply = await callApi(context, session, {
    method: 'POST',
    path: '/v1/certificates',
    body: {
      public_key: publicKeyLine({ blob: publicKeyBlob }),
      request_id: requestId,
      possession: { challenge, signature },
      ...(environment && { environment }),
      ...(machine && { machine }),
    },
    reply: certificateReply,
  });
  const { account } = session;
  checkCertificate(reply.certificate, {
    publicKeyBlob,
    account,
    isForMachine: machine !== undefined,
    now: nowSeconds(context),
  });
  return reply.certificate;
}

function possessionNamespace(namespace: string): string {
  if (/^pop@[a-z0-9.:-]{1,255}$/.test(namespace)) return namespace;
  throw new SallyportError(
    'login_provider_error',
    'The server asked for a signature that has another purpose.',
  );
}

interface Expected {
  readonly publicKeyBlob: Buffer;
  readonly account: string;
  readonly isForMachine: boolean;
  readonly now: number;
}

/** Throws unless it is a user certificate of this key for this account that is good now. */
function checkCertificate(line: string, { publicKeyBlob, now, ...expected }: Expected): void {
  const certificate = parseCertificateLine(line);
  verifyCertificate(certificate);
  const isOurs = certificate.kind === 'user' && certificate.publicKey.equals(publicKeyBlob);
  if (!isOurs || !isAsAsked(certificate, expected)) {
    throw new SallyportError(
      'login_provider_error',
      'The server answered with a certificate for somebody else. Nothing was kept.',
    );
  }
  if (BigInt(now) < certificate.validAfter || BigInt(now) >= certificate.validBefore) {
    throw new SallyportError(
      'login_provider_error',
      "The new certificate is not valid now by this machine's clock. Set the clock, then run: sally cert ensure",
    );
  }
}

function isAsAsked(
  { principals, keyId }: Certificate,
  { account, isForMachine }: Pick<Expected, 'account' | 'isForMachine'>,
): boolean {
  if (!isForMachine) return principals.includes(account);
  return (
    principals.length === 1 && principals.every(isMachinePrincipal) && splitKeyId(keyId)?.account === account
  );
}
