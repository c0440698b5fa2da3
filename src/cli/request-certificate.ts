/** Asks the server for a certificate of a key, with the proof that whoever asks holds it, and checks what comes. */
import type { KeyObject } from 'node:crypto';
import {
  type CertificateReply,
  certificateReply,
  type EnvironmentName,
  type Possession,
  type PossessionChallenge,
  possessionChallenge,
  possessionMessage,
} from '../api/certificates.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import type { Certificate } from '../ssh/certificate.ts';
import { isMachinePrincipal, splitKeyId } from '../ssh/names.ts';
import { parseCertificateLine } from '../ssh/parse-certificate.ts';
import { publicKeyLine } from '../ssh/public-key.ts';
import { signWithKey } from '../ssh/signature.ts';
import { signSshsig } from '../ssh/sshsig.ts';
import { verifyCertificate } from '../ssh/verify-certificate.ts';
import { callApi } from './api-client.ts';
import type { SallyContext } from './context.ts';
import { type Prove, touchNeeded } from './hardware/kept-key.ts';
import type { LiveSession } from './session-file.ts';

export interface CertificateWish {
  /** Sent again after a lost reply it gives the same certificate. */
  readonly requestId: string;
  /** Undefined: the key is kept elsewhere, and was proven in this login before or is by `prove`. */
  readonly privateKey: KeyObject | undefined;
  /** Asks the person for a touch or a PIN; absent: nobody is there who could give it. */
  readonly prove?: Prove | undefined;
  /** The key was made just now, over this challenge. */
  readonly made?: MadeOver | undefined;
  readonly publicKeyBlob: Buffer;
  /** What the certificate is narrowed to. */
  readonly environment?: EnvironmentName | undefined;
  /** Fingerprint of the host key of the one machine that it is good for. */
  readonly machine?: string | undefined;
}

/** What a security key says of the making of a key. */
export interface MadeOver {
  readonly challenge: PossessionChallenge;
  /** What ssh-keygen wrote. */
  readonly attestation: Buffer;
}

/** @returns the certificate's line @throws what the server refuses with; login_provider_error for one that is not good */
export async function requestCertificate(
  context: SallyContext,
  session: LiveSession,
  wish: CertificateWish,
): Promise<string> {
  const { privateKey, publicKeyBlob, machine } = wish;
  const reply = privateKey
    ? await send(context, session, wish, await proofBy(privateKey, context, session, wish))
    : await ofKeptKey(context, session, wish);
  const { account } = session;
  checkCertificate(reply.certificate, {
    publicKeyBlob,
    account,
    isForMachine: machine !== undefined,
  });
  return reply.certificate;
}

async function send(
  context: SallyContext,
  session: LiveSession,
  { requestId, publicKeyBlob, environment, machine }: CertificateWish,
  possession: Possession | undefined,
): Promise<CertificateReply> {
  return await callApi(context, session, {
    method: 'POST',
    path: '/v1/certificates',
    body: {
      public_key: publicKeyLine({ blob: publicKeyBlob }),
      request_id: requestId,
      ...(possession && { possession }),
      ...(environment && { environment }),
      ...(machine && { machine }),
    },
    reply: certificateReply,
  });
}

async function proofBy(
  privateKey: KeyObject,
  context: SallyContext,
  session: LiveSession,
  { publicKeyBlob }: CertificateWish,
): Promise<Possession> {
  const { challenge, namespace } = await newChallenge(context, session);
  const signature = await signSshsig({
    message: possessionMessage(session.session_id, challenge),
    // The server says its namespace, but never that of another purpose (PROTOCOL.sshsig).
    namespace: possessionNamespace(namespace),
    publicKeyBlob,
    sign: (bytes) => signWithKey(privateKey, bytes),
  });
  return { challenge, signature };
}

/** First without a proof: who has given one in this login need not touch the key again. */
async function ofKeptKey(
  context: SallyContext,
  session: LiveSession,
  wish: CertificateWish,
): Promise<CertificateReply> {
  const { prove, made } = wish;
  if (!made) {
    try {
      return await send(context, session, wish, undefined);
    } catch (error) {
      if (!isSallyportError(error) || error.code !== 'key_possession_unproven') throw error;
      if (!prove) throw touchNeeded();
    }
  }
  if (!prove) throw touchNeeded();
  const { challenge, namespace } = made?.challenge ?? (await newChallenge(context, session));
  const message = possessionMessage(session.session_id, challenge);
  const signature = await prove({ message, namespace: possessionNamespace(namespace) });
  const attestation = made?.attestation.toString('base64');
  return await send(context, session, wish, {
    challenge,
    signature,
    keep: true,
    ...(attestation && { attestation }),
  });
}

export async function newChallenge(
  context: SallyContext,
  session: LiveSession,
): Promise<PossessionChallenge> {
  return await callApi(context, session, {
    method: 'POST',
    path: '/v1/certificates/challenge',
    reply: possessionChallenge,
  });
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
}

/** Throws unless it is a user certificate of this key for this account. Whether it is good now is for sshd to say. */
function checkCertificate(line: string, { publicKeyBlob, ...expected }: Expected): void {
  const certificate = parseCertificateLine(line);
  verifyCertificate(certificate);
  const isOurs = certificate.kind === 'user' && certificate.publicKey.equals(publicKeyBlob);
  if (!isOurs || !isAsAsked(certificate, expected)) {
    throw new SallyportError(
      'login_provider_error',
      'The server answered with a certificate for somebody else. Nothing was kept.',
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
