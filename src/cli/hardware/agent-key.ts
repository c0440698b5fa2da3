/** A key of the person's own agent, which may have it from a TPM, a smart card or another machine. */
import { isSallyportError, SallyportError } from '../../errors/sallyport-error.ts';
import { fingerprint, type PublicKey, parsePublicKeyLine, publicKeyLine } from '../../ssh/public-key.ts';
import type { SallyContext } from '../context.ts';
import { printable } from '../printable.ts';
import type { StoredSession } from '../session-file.ts';
import { runCaptured } from './run-program-captured.ts';

export type AgentKey = Extract<StoredSession['key'], { readonly kind: 'agent' }>;

/** @param which a fingerprint (SHA256:...) or a comment @throws not_found, settings_invalid, program_missing */
export async function findAgentKey(context: SallyContext, which: string): Promise<AgentKey> {
  const { stdout } = await runCaptured(context, 'ssh-add', ['-L']);
  const held = stdout.split(/\r?\n/).flatMap(keyOf);
  const found = held.filter(({ blob, comment }) => fingerprint(blob) === which || comment === which);
  const [key, another] = found;
  if (key && !another) return { kind: 'agent', public_key: publicKeyLine({ blob: key.blob }) };
  const named = held.map(({ blob, comment }) => `${fingerprint(blob)} (${printable(comment)})`).join(', ');
  if (another) {
    throw new SallyportError(
      'settings_invalid',
      `Several keys of your agent are called ${printable(which)}. Name one by its fingerprint: ${named}`,
    );
  }
  throw new SallyportError(
    'not_found',
    held.length === 0
      ? 'Your agent holds no key, or there is none: look with ssh-add -l, and at SSH_AUTH_SOCK.'
      : `Your agent holds no key ${printable(which)}. It holds: ${named}`,
  );
}

/** Certificates, and keys of types that nobody certifies, are passed over. */
function keyOf(line: string): PublicKey[] {
  try {
    return line === '' ? [] : [parsePublicKeyLine(line)];
  } catch (error) {
    if (isSallyportError(error)) return [];
    throw error;
  }
}
