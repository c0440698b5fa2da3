/**
 * A key that is not made anew for each certificate, because it is in a security key, a TPM or a smart card. It is proven
 * once in a login, which asks its person for a touch or a PIN; renewals ask for nothing.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { writeFileAtomically } from '../../files/write-file.ts';
import type { SallyContext } from '../context.ts';
import type { StoredSession } from '../session-file.ts';
import { signWithOwnKey } from '../sign-with-key.ts';

type KeptKey = Exclude<StoredSession['key'], { readonly kind: 'file' }>;

/** An armored SSHSIG. */
export type Prove = (claim: { readonly message: Buffer; readonly namespace: string }) => Promise<string>;

/** @throws file_refused, program_missing */
export function proverOf(context: SallyContext, key: KeptKey): Prove {
  return async (claim) => {
    const { terminal, environment, paths } = context;
    if (key.kind === 'sk') {
      terminal.tell('Touch your security key: it proves once in this login that you hold it.');
      return await signWithOwnKey(key.key_file, claim, environment.forPrograms);
    }
    // The public half names the key to the agent.
    const file = join(paths.own, 'agent-key.pub');
    await writeFileAtomically(file, `${key.public_key}\n`, { mode: 0o600 });
    try {
      return await signWithOwnKey(file, claim, environment.forPrograms);
    } finally {
      await rm(file, { force: true });
    }
  };
}

/** What the server's refusal means to who has nobody at hand who could touch a key. */
export function touchNeeded(): SallyportError {
  return new SallyportError(
    'key_possession_unproven',
    'Your key must be touched or unlocked once for this login. Run: sally cert ensure',
  );
}
