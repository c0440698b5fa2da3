/**
 * The two ceremonies of WebAuthn (level 3, section 7): what the browser is asked for, and what of its answer is believed.
 * The relying party is the public URL's host; the person must have been verified by the authenticator, every time.
 *
 * The model of an authenticator (AAGUID) is what it says of itself. Where an organization names models, a statement about
 * it is asked for and must be there and be consistent; without the vendors' root certificates that keeps out who follows
 * the rules and not who makes an authenticator of his own.
 */
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { z } from 'zod';
import { isUuid } from '../database/uuid.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { passkeyMethods } from './decide-second-factor.ts';
import type { NewPasskey, Passkey } from './passkey-store.ts';

/** COSE: EdDSA, ES256, RS256. */
const algorithms = [-8, -7, -257];
const timeoutMilliseconds = 120_000;

/** WebAuthn level 3 section 5.8.4. */
const transportNames = ['usb', 'nfc', 'ble', 'smart-card', 'hybrid', 'internal', 'cable'] as const;
type Transport = (typeof transportNames)[number];

export interface Enrolling {
  readonly publicUrl: URL;
  readonly challenge: string;
  readonly account: { readonly id: string; readonly name: string };
  /** Those that the account has. */
  readonly passkeys: readonly Passkey[];
  /** AAGUIDs; null: any. */
  readonly models: readonly string[] | null;
}

export async function enrolmentOptions({
  publicUrl,
  challenge,
  account,
  passkeys,
  models,
}: Enrolling): Promise<PublicKeyCredentialCreationOptionsJSON> {
  return await generateRegistrationOptions({
    rpName: 'Sallyport',
    rpID: publicUrl.hostname,
    userID: Uint8Array.from(Buffer.from(account.id.replaceAll('-', ''), 'hex')),
    userName: account.name,
    userDisplayName: account.name,
    challenge: bytesOf(challenge),
    timeout: timeoutMilliseconds,
    attestationType: models === null ? 'none' : 'direct',
    excludeCredentials: passkeys.map(descriptorOf),
    authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
    supportedAlgorithmIDs: algorithms,
  });
}

export async function assertionOptions({
  publicUrl,
  challenge,
  passkeys,
}: Pick<Enrolling, 'publicUrl' | 'challenge' | 'passkeys'>): Promise<PublicKeyCredentialRequestOptionsJSON> {
  return await generateAuthenticationOptions({
    rpID: publicUrl.hostname,
    challenge: bytesOf(challenge),
    timeout: timeoutMilliseconds,
    allowCredentials: passkeys.map(descriptorOf),
    userVerification: 'required',
  });
}

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);
const credential = { id: base64url, rawId: base64url, type: z.literal('public-key') };
const registration = z.object({
  ...credential,
  response: z.object({
    clientDataJSON: base64url,
    attestationObject: base64url,
    transports: z.array(z.string()).max(20).optional(),
  }),
});
const assertion = z.object({
  ...credential,
  response: z.object({ clientDataJSON: base64url, authenticatorData: base64url, signature: base64url }),
});

/** @param text the browser's answer, JSON @throws passkey_refused */
export async function verifyEnrolment(
  text: string,
  { publicUrl, challenge, models }: Pick<Enrolling, 'publicUrl' | 'challenge' | 'models'>,
): Promise<Omit<NewPasskey, 'accountId' | 'name'>> {
  const given = parsed(text, registration);
  const transports = (given.response.transports ?? []).filter(isTransport);
  const { clientDataJSON, attestationObject } = given.response;
  const { verified, registrationInfo } = await believed(
    verifyRegistrationResponse({
      response: {
        ...given,
        response: { clientDataJSON, attestationObject, transports },
        clientExtensionResults: {},
      },
      expectedChallenge: challenge,
      expectedOrigin: publicUrl.origin,
      expectedRPID: publicUrl.hostname,
      requireUserVerification: true,
      supportedAlgorithmIDs: algorithms,
    }),
  );
  if (!verified) throw refused('its statement about itself is not valid');
  const { fmt, aaguid, credential: made, credentialBackedUp } = registrationInfo;
  if (!isUuid(aaguid)) throw refused('it does not say what it is');
  if (models !== null && (fmt === 'none' || !models.includes(aaguid))) {
    throw new SallyportError(
      'passkey_refused',
      fmt === 'none'
        ? 'Your organization takes only certain models of passkeys, and this one does not say which it is. Use another one.'
        : 'Your organization does not take this model of passkey. Use another one, or ask an admin which it takes.',
      { detail: `format ${fmt}, model ${aaguid}` },
    );
  }
  return {
    credentialId: Buffer.from(made.id, 'base64url'),
    publicKey: Buffer.from(made.publicKey),
    counter: made.counter,
    transports,
    model: aaguid,
    backedUp: credentialBackedUp,
  };
}

/**
 * @param passkeys those that are acceptable; another one, also another person's, is refused
 * @returns the signature counter is not judged: see notePasskeyUse() @throws passkey_refused
 */
export async function verifyAssertion(
  text: string,
  { publicUrl, challenge, passkeys }: Pick<Enrolling, 'publicUrl' | 'challenge' | 'passkeys'>,
): Promise<{ readonly passkey: Passkey; readonly counter: number }> {
  const given = parsed(text, assertion);
  const id = Buffer.from(given.id, 'base64url');
  const passkey = passkeys.find(({ credentialId }) => credentialId.equals(id));
  if (passkey === undefined) throw refused('it is none of yours');
  const { verified, authenticationInfo } = await believed(
    verifyAuthenticationResponse({
      response: { ...given, clientExtensionResults: {} },
      expectedChallenge: challenge,
      expectedOrigin: publicUrl.origin,
      expectedRPID: publicUrl.hostname,
      requireUserVerification: true,
      credential: {
        id: passkey.credentialId.toString('base64url'),
        publicKey: Uint8Array.from(passkey.publicKey),
        counter: 0,
      },
    }),
  );
  if (!verified) throw refused('its signature is not valid');
  return { passkey, counter: authenticationInfo.newCounter };
}

/** RFC 8176 section 2: a key that never leaves its device is one in hardware; one that is backed up lives in software. */
export function methodsOf({ backedUp }: Pick<Passkey, 'backedUp'>): readonly string[] {
  return backedUp ? passkeyMethods.software : passkeyMethods.hardware;
}

function parsed<Schema extends z.ZodType>(text: string, schema: Schema): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw refused('the browser’s answer can not be read');
  }
}

/** What the library throws says what was wrong with the answer; it holds no secret. */
async function believed<T>(verifying: Promise<T>): Promise<T> {
  try {
    return await verifying;
  } catch (error) {
    if (isSallyportError(error)) throw error;
    const detail = error instanceof Error ? error.message.slice(0, 200) : 'unknown';
    throw refused('it did not prove what was asked for', detail);
  }
}

export function refused(why: string, detail?: string): SallyportError {
  return new SallyportError(
    'passkey_refused',
    `The passkey was not accepted: ${why}. Try again, or use another one.`,
    detail === undefined ? {} : { detail },
  );
}

function descriptorOf({ credentialId, transports }: Passkey) {
  return { id: credentialId.toString('base64url'), transports: transports.filter(isTransport) };
}

function isTransport(name: string): name is Transport {
  return (transportNames as readonly string[]).includes(name);
}

function bytesOf(challenge: string) {
  return Uint8Array.from(Buffer.from(challenge, 'base64url'));
}
