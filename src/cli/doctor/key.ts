/** Whether the key of the certificate is one that the organization accepts, and is at hand. */
import { type KeyPolicy, keyPolicy } from '../../api/certificates.ts';
import { isSallyportError } from '../../errors/sallyport-error.ts';
import { isSecurityKey } from '../../ssh/key-types.ts';
import { parsePublicKeyLine } from '../../ssh/public-key.ts';
import type { SallyContext } from '../context.ts';
import { currentPair } from '../current-pair.ts';
import { type KeyInUse, keyInUse, keyText } from '../hardware/key-in-use.ts';
import { readSessionFacts } from '../session-file.ts';
import { callSignedIn } from '../signed-in.ts';
import type { AgentFacts } from './agent-keys.ts';
import { type Finding, ok, unknown } from './finding.ts';

export interface KeyFacts {
  /** null: nobody is logged in here. */
  readonly key: KeyInUse | null;
  /** Of a key in an agent: whether the agent of now holds it. */
  readonly isHeld: boolean;
  /** What the organization asks; null: it was not asked, or did not answer. */
  readonly asked: KeyPolicy['hardware_keys'] | null;
}

export async function gatherKey(
  context: SallyContext,
  { held }: Pick<AgentFacts, 'held'>,
  isServerAsked: boolean,
): Promise<KeyFacts> {
  const session = await readSessionFacts(context).catch(() => undefined);
  if (!session) return { key: null, isHeld: false, asked: null };
  const pair = await currentPair(context.paths);
  const key = await keyInUse(session, pair);
  const own = session.key.kind === 'agent' ? parsePublicKeyLine(session.key.public_key).blob : undefined;
  const isHeld = own !== undefined && Array.isArray(held) && held.some((line) => isLineOf(line, own));
  return { key, isHeld, asked: isServerAsked ? await askedOfKeys(context) : null };
}

async function askedOfKeys(context: SallyContext): Promise<KeyFacts['asked']> {
  try {
    const request = { method: 'GET', path: '/v1/key-policy', reply: keyPolicy } as const;
    return (await callSignedIn({ ...context, mayStepUp: false }, request)).hardware_keys;
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    context.debug.say(`key policy: ${error.message}`);
    return null;
  }
}

export function judgeKey({ key, isHeld, asked }: KeyFacts): Finding {
  if (!key) return unknown('key', 'nobody is logged in here');
  // Of one in an agent only its certificate tells, if there is one.
  const mayBeHardware =
    key.place === 'security-key' || (key.type === null ? key.place === 'agent' : isSecurityKey(key.type));
  if (asked !== null && asked !== 'off' && !mayBeHardware) {
    return problem(
      `Your organization gives certificates only for keys in security keys; yours is ${keyText(key)}.`,
      'sally login --key sk',
    );
  }
  if (key.place === 'security-key' && key.asks_verification === null) {
    return problem(
      'The handle of your security key is gone or cannot be read, so ssh has no use of the key.',
      'sally login --key sk --new-key',
    );
  }
  if (asked === 'verified' && key.asks_verification === false) {
    return problem(
      'Your organization wants security keys that ask for a PIN or a finger; yours asks for a touch alone.',
      'sally login --key sk --pin',
    );
  }
  if (key.place === 'agent' && !isHeld) {
    return {
      check: 'key',
      outcome: 'warning',
      says: 'The certificate is for a key in your ssh-agent, and the agent of this shell does not hold it.',
      fix: 'Start that agent, or plug in what holds the key; for another key: sally login --key file',
    };
  }
  return asked === null
    ? unknown('key', `${keyText(key)}; what the organization wants was not asked`)
    : ok('key', keyText(key));
}

function problem(says: string, fix: string): Finding {
  return { check: 'key', outcome: 'problem', says, fix };
}

function isLineOf(line: string, blob: Uint8Array): boolean {
  try {
    return Buffer.from(parsePublicKeyLine(line).blob).equals(blob);
  } catch {
    return false;
  }
}
