/**
 * `pkcs11:object=LABEL`: a key in a hardware security module or token, through a private ssh-agent that loads the
 * vendor's module (private-agent.ts).
 */
import { createHmac, randomBytes } from 'node:crypto';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { fingerprint } from '../../ssh/public-key.ts';
import { addSmartcardKeyRequest, readSuccess } from './agent-protocol.ts';
import { agentKey, listIdentities, pickIdentity } from './agent-signer.ts';
import { askAgent } from './ask-agent.ts';
import type { BareSigner } from './bare-signer.ts';
import { parsePkcs11Uri, type WantedTokenKey } from './pkcs11-uri.ts';
import { type PrivateAgent, startPrivateAgent } from './private-agent.ts';
import type { SecretSource } from './secret-file.ts';
import { signerSetting } from './signer-settings.ts';
import { readSecret, type SignerSurroundings } from './surroundings.ts';

export const pinSource: SecretSource = {
  setting: 'SALLYPORT_PKCS11_PIN_FILE',
  credential: 'sallyport-pkcs11-pin',
};

const loadingMilliseconds = 20_000;

interface LoadedToken {
  readonly agent: PrivateAgent;
  readonly key: BareSigner;
}

/** @throws settings_invalid, file_refused, program_missing, signer_failed */
export async function openPkcs11Signer(
  rest: string,
  surroundings: SignerSurroundings,
  signal: AbortSignal,
): Promise<BareSigner> {
  const wanted = parsePkcs11Uri(rest);
  let current = loadToken(wanted, surroundings, signal);
  const { publicKey, algorithm } = (await current).key;
  let suspect: Promise<LoadedToken> | undefined;

  /** The token; loaded anew after a failure, for a library that crashed stays gone in the agent that had it. */
  function currentToken(): Promise<LoadedToken> {
    if (suspect !== current) return current;
    current = suspect
      .then(({ agent }) => agent.close())
      .catch(() => {})
      .then(() => loadToken(wanted, surroundings, AbortSignal.timeout(loadingMilliseconds)));
    return current;
  }

  return {
    publicKey,
    algorithm,
    sign: async (bytes, deadline) => {
      const token = currentToken();
      try {
        return await (await token).key.sign(bytes, deadline);
      } catch (error) {
        suspect = token;
        throw error;
      }
    },
    close: async () => {
      const token = await current.catch(() => undefined);
      await token?.agent.close();
    },
  };
}

async function loadToken(
  wanted: WantedTokenKey,
  { environment }: SignerSurroundings,
  signal: AbortSignal,
): Promise<LoadedToken> {
  const module = signerSetting(environment, 'SALLYPORT_PKCS11_MODULE');
  if (module === undefined || !module.startsWith('/')) {
    throw new SallyportError(
      'settings_invalid',
      "Which PKCS #11 module? Set SALLYPORT_PKCS11_MODULE to the path of the vendor's library.",
    );
  }
  const agent = await startPrivateAgent(module, environment, signal);
  try {
    await unlock(agent, module, environment, signal);
    const identity = pickIdentity(
      await listIdentities(agent.socketPath, signal),
      ({ blob, comment }) =>
        (wanted.label === undefined || comment === wanted.label) &&
        (wanted.fingerprint === undefined || fingerprint(blob) === wanted.fingerprint),
    );
    return { agent, key: agentKey(agent.socketPath, identity.blob) };
  } catch (error) {
    await agent.close();
    throw error;
  }
}

/**
 * PINs with which a module gave no keys, and those with which it did, known by a digest under a key of this process. A
 * token locks itself after a few wrong PINs, and whoever opens signers tries again and again: a PIN that never worked
 * is tried once.
 */
const pinKey = randomBytes(32);
const refusedPins = new Set<string>();
const acceptedPins = new Set<string>();

async function unlock(
  agent: PrivateAgent,
  module: string,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
  const pin = await readSecret(environment, pinSource);
  if (pin === undefined) {
    throw new SallyportError(
      'settings_invalid',
      "Where is the token's PIN? Name its file in SALLYPORT_PKCS11_PIN_FILE, or give the systemd credential sallyport-pkcs11-pin.",
    );
  }
  const request = addSmartcardKeyRequest(module, pin);
  const known = createHmac('sha256', pinKey).update(request).digest('base64');
  try {
    if (refusedPins.has(known))
      throw gaveNoKeys(module, 'and the same PIN is not tried again before a restart');
    const reply = await askAgent(agent.socketPath, request, signal);
    try {
      readSuccess(reply);
    } catch (error) {
      if (!acceptedPins.has(known)) refusedPins.add(known);
      throw gaveNoKeys(module, 'and OpenSSH does not say why', error);
    }
    acceptedPins.add(known);
  } finally {
    pin.fill(0);
    request.fill(0);
  }
}

function gaveNoKeys(module: string, more: string, cause?: unknown): SallyportError {
  return new SallyportError(
    'settings_invalid',
    `The module ${module} gave no keys with this PIN, ${more}. Check the PIN, that the token is there, and that it ` +
      'holds keys of a type that this OpenSSH knows (docs/signers.md).',
    { cause },
  );
}
