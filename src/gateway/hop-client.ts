/** Asks the CA for the certificate of a second leg, for a key that was made for it. */
import { randomUUID } from 'node:crypto';
import { hopCertificateReply, hopMessage, hopSourceMembers } from '../api/hop-certificates.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import type { GeneratedKey } from '../ssh/openssh-private-key.ts';
import { parseCertificateLine } from '../ssh/parse-certificate.ts';
import { publicKeyLine } from '../ssh/public-key.ts';
import { signWithKey } from '../ssh/signature.ts';
import { signSshsig } from '../ssh/sshsig.ts';
import type { Offer } from './offered-certificate.ts';
import { requestJson, type Server } from './server-request.ts';

export interface HopClient {
  readonly server: Server;
  readonly companionId: string;
  readonly domain: string;
}

export interface AskedHop {
  readonly offer: Pick<Offer, 'source' | 'sourceText'>;
  readonly target: string;
  readonly key: GeneratedKey;
  readonly signal: AbortSignal;
}

export interface IssuedHop {
  readonly certificate: Buffer;
  /** When the person's login session ends; null: an older server. */
  readonly sessionExpiresAtSeconds: number | null;
}

/** Somebody waits before a terminal: half of it for the first try. */
const patienceMilliseconds = 4_000;

/** @throws the CA's refusal; unavailable */
export async function requestHopCertificate(client: HopClient, asked: AskedHop): Promise<IssuedHop> {
  const { offer, target, key, signal } = asked;
  const about = { request_id: randomUUID(), target, [hopSourceMembers[offer.source]]: offer.sourceText };
  const signature = await signSshsig({
    message: hopMessage(client.companionId, about),
    namespace: `hop@${client.domain}`,
    publicKeyBlob: key.publicKeyBlob,
    sign: (bytes) => signWithKey(key.privateKey, bytes),
  });
  const body = {
    ...about,
    public_key: publicKeyLine({ type: 'ssh-ed25519', blob: key.publicKeyBlob }),
    signature,
  };
  const ask = async () => {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(patienceMilliseconds)]);
    const path = '/v1/companions/hop-certificates';
    return await requestJson(client.server, path, hopCertificateReply, { body, signal: deadline });
  };
  const { certificate, session_expires_at = null } = await ask().catch((error: unknown) => {
    // A lost reply: the same request again gives the same certificate.
    if (isSallyportError(error) && error.code === 'unavailable' && !signal.aborted) return ask();
    throw error;
  });
  return {
    certificate: parseCertificateLine(certificate).blob,
    sessionExpiresAtSeconds: session_expires_at,
  };
}
