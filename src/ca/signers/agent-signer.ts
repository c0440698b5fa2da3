/**
 * `agent:SHA256:<fingerprint>`: a key that an ssh-agent holds, so that a YubiKey, a TPM or any other agent works. Which
 * agent is said by the environment of each process.
 */
import { SallyportError } from '../../errors/sallyport-error.ts';
import { fingerprint } from '../../ssh/public-key.ts';
import { signatureAlgorithmOf } from '../../ssh/signature.ts';
import {
  type AgentIdentity,
  identitiesRequest,
  readIdentities,
  readSignature,
  signRequest,
} from './agent-protocol.ts';
import { askAgent } from './ask-agent.ts';
import type { BareSigner } from './bare-signer.ts';
import { excerpt } from './key-service-request.ts';
import { signerSetting } from './signer-settings.ts';
import type { SignerSurroundings } from './surroundings.ts';

/** The first that is set counts. */
const socketSettings = ['SALLYPORT_AGENT_SOCK', 'SSH_AUTH_SOCK'] as const;

const sha256Fingerprint = /^SHA256:[A-Za-z0-9+/]{43}$/;

/** @throws settings_invalid, signer_failed, and what checkPublicKeyBlob() has against the key */
export async function openAgentSigner(
  wanted: string,
  { environment }: SignerSurroundings,
  signal: AbortSignal,
): Promise<BareSigner> {
  if (!isFingerprint(wanted)) {
    throw new SallyportError(
      'settings_invalid',
      'An agent: signer names its key by fingerprint, such as agent:SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU ' +
        '(ssh-add -l prints it).',
    );
  }
  const socketPath = socketSettings.map((name) => signerSetting(environment, name)).find((path) => path);
  if (socketPath === undefined) {
    throw new SallyportError(
      'settings_invalid',
      `Where is the ssh-agent? Set ${socketSettings[0]} to the path of its socket.`,
    );
  }
  const identity = pickIdentity(
    await listIdentities(socketPath, signal),
    ({ blob }) => fingerprint(blob) === wanted,
  );
  return agentKey(socketPath, identity.blob);
}

/** Whether a text is a SHA256 fingerprint as `ssh-keygen -l` prints it. */
export function isFingerprint(text: string): boolean {
  return sha256Fingerprint.test(text);
}

/** @throws signer_failed */
export async function listIdentities(socketPath: string, signal: AbortSignal): Promise<AgentIdentity[]> {
  return readIdentities(await askAgent(socketPath, identitiesRequest(), signal));
}

/**
 * The one identity that is wanted.
 * @throws settings_invalid, naming those that there are, if it is none or several
 */
export function pickIdentity(
  identities: readonly AgentIdentity[],
  isWanted: (identity: AgentIdentity) => boolean,
): AgentIdentity {
  const found = identities.filter(isWanted);
  const [first] = found;
  if (first !== undefined && found.length === 1) return first;
  const shown = identities.map(({ blob, comment }) => `\n  ${fingerprint(blob)} "${excerpt(comment)}"`);
  const problem =
    first === undefined
      ? 'None of the keys there is the one that is named.'
      : `${found.length} of the keys there are what is named: name one by its fingerprint.`;
  throw new SallyportError('settings_invalid', `${problem} There are:${shown.join('') || ' none'}`);
}

/** A key of the agent at a socket. */
export function agentKey(socketPath: string, publicKey: Buffer): BareSigner {
  const algorithm = signatureAlgorithmOf(publicKey);
  return {
    publicKey,
    algorithm,
    sign: async (bytes, signal) =>
      readSignature(await askAgent(socketPath, signRequest(publicKey, algorithm, bytes), signal)),
    close: async () => {},
  };
}
