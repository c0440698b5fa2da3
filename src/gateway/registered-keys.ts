/** Keys that people come with instead of certificates, as the installed state has them. Pure. */
import type { CompanionState } from '../api/companions.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { parsePublicKeyLine, publicKeyLine } from '../ssh/public-key.ts';
import type { Facts } from './decide-offer.ts';
import type { Offer } from './offered-certificate.ts';

type RegisteredKey = CompanionState['registered_keys'][number];

/**
 * What a registered key stands for, as readOffer() for a certificate.
 * @param base64 the key's blob
 * @returns undefined if it is none, or over, or if its account is none of this machine's
 */
export function readKey(base64: string, { state, nowSeconds, endedSessions }: Facts): Offer | undefined {
  const key = keysOf(state).get(base64);
  if (key === undefined) return undefined;
  const account = state.accounts.find(({ name }) => name === key.account);
  if (account === undefined || key.expires_at <= nowSeconds || endedSessions.has(key.session_id)) {
    return undefined;
  }
  return {
    account: account.name,
    organization: account.organization,
    sessionId: key.session_id,
    serial: '0',
    authority: '',
    mode: 'key',
    amr: [],
    acr: null,
    authTimeSeconds: 0,
    mfa: false,
    mfaBy: null,
    mfaMethods: [],
    mfaTimeSeconds: null,
    roleLimit: null,
    forThisMachine: false,
    validBeforeSeconds: key.expires_at,
    source: 'key',
    sourceText: key.public_key,
  };
}

/** Whether a key that somebody came with is still one. */
export function isRegistered({ source, sourceText, sessionId }: Offer, state: CompanionState): boolean {
  if (source !== 'key') return true;
  const [, base64 = ''] = sourceText.split(' ');
  return keysOf(state).get(base64)?.session_id === sessionId;
}

/** Made once per state. */
const keysByState = new WeakMap<CompanionState, ReadonlyMap<string, RegisteredKey>>();

function keysOf(state: CompanionState): ReadonlyMap<string, RegisteredKey> {
  const made = keysByState.get(state) ?? new Map(state.registered_keys.flatMap(entryOf));
  keysByState.set(state, made);
  return made;
}

/** One of a kind that this version does not know is nobody's key here, and no reason to judge nobody's connection. */
function entryOf(key: RegisteredKey): [base64: string, RegisteredKey][] {
  try {
    const { type, blob } = parsePublicKeyLine(key.public_key);
    // Type and key alone: sshd reads this line behind the options that bind the connection.
    return [[blob.toString('base64'), { ...key, public_key: publicKeyLine({ type, blob }) }]];
  } catch (error) {
    if (isSallyportError(error)) return [];
    throw error;
  }
}
