/**
 * The secrets of a session, sealed (AES-256-GCM) with a key that only the system's keychain holds. The file with them is
 * replaced in one step at each renewal, as it is without a keychain, while the keychain itself changes at a login alone;
 * a copy of the home folder is worth nothing without it.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import type { Keychain } from './keychain.ts';

type Place = Pick<SallyContext, 'paths' | 'debug' | 'keychain'>;

const nonceLength = 12;
const tagLength = 16;

/** @throws keychain_failed */
export async function sealSecrets(
  place: Place,
  { sessionId, text }: { sessionId: string; text: string },
): Promise<string> {
  const nonce = randomBytes(nonceLength);
  const cipher = createCipheriv('aes-256-gcm', await keyToSealWith(place), nonce);
  cipher.setAAD(aboutOf(sessionId));
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
    'base64url',
  );
}

/** @throws keychain_failed */
export async function openSecrets(
  place: Place,
  { sessionId, sealed }: { sessionId: string; sealed: string },
): Promise<string> {
  const { paths } = place;
  const keychain = keychainOf(place);
  const key = keyOf(place, await keychain.read(paths.personOwn));
  if (!key) throw lost(`${keychain.name} does not hold the key to the tokens of this login`);
  const bytes = Buffer.from(sealed, 'base64url');
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceLength), {
      authTagLength: tagLength,
    });
    decipher.setAAD(aboutOf(sessionId));
    decipher.setAuthTag(bytes.subarray(-tagLength));
    const text = decipher.update(bytes.subarray(nonceLength, -tagLength));
    return Buffer.concat([text, decipher.final()]).toString('utf8');
  } catch {
    throw lost(`the key in ${keychain.name} is not that of ${paths.session}`);
  }
}

/** Makes sure that the keychain keeps what it is given, before anybody logs in. @throws keychain_failed */
export async function keyToSealWith(place: Place): Promise<Buffer> {
  const keychain = keychainOf(place);
  const item = place.paths.personOwn;
  const found = keyOf(place, await keychain.read(item));
  if (found) return found;
  const made = randomBytes(32).toString('base64url');
  place.debug.redact(made);
  await keychain.write(item, made);
  if ((await keychain.read(item)) !== made) throw lost(`${keychain.name} did not keep what it was given`);
  return Buffer.from(made, 'base64url');
}

/** The key is worth nothing without the file, so that a keychain which fails holds up no logout. */
export async function forgetSecrets(place: Place): Promise<void> {
  try {
    await keychainOf(place).remove(place.paths.personOwn);
  } catch (error) {
    place.debug.say(`the keychain keeps the key: ${error}`);
  }
}

function keychainOf({ keychain }: Place): Keychain {
  if (!keychain) throw lost('this sally has no keychain');
  return keychain;
}

function keyOf({ debug }: Place, text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined;
  debug.redact(text);
  const key = Buffer.from(text, 'base64url');
  return key.length === 32 ? key : undefined;
}

function lost(problem: string): SallyportError {
  return new SallyportError(
    'keychain_failed',
    `Nothing was written into a file instead, and nothing was sent: ${problem}. Log in again, or without a keychain: sally login --no-keychain`,
  );
}

/** What is sealed belongs to one session, and to this use of the key. */
function aboutOf(sessionId: string): Buffer {
  return Buffer.from(`sally session ${sessionId}`);
}
