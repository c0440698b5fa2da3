/**
 * The last good state on disk: a companion that starts while the CA is away decides from it. The highest versions stand
 * beside the document and outside the KRL file, so that neither an old feed nor a restored file brings anything back.
 */
import { z } from 'zod';
import { keyLine, uint64 } from '../api/common.ts';
import { companionState } from '../api/companions.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { readPrivateFile, writeFileAtomically } from '../files/write-file.ts';

/** `format` grows when older readers must not go on. */
const savedStateSchema = z.strictObject({
  format: z.literal(1),
  version: uint64,
  krlVersion: uint64,
  /** The user CA keys that the next state is checked against. */
  pinned: z.array(keyLine).min(1),
  /** CA keys that were compromised: no later state brings them back. */
  compromised: z.array(keyLine).default([]),
  state: companionState,
});

export type SavedState = z.infer<typeof savedStateSchema>;

/** Undefined if nothing was ever installed. @throws file_refused: an unreadable memory is no reason to forget */
export async function readSavedState(path: string): Promise<SavedState | undefined> {
  const bytes = await readPrivateFile(path);
  if (bytes === undefined) return undefined;
  try {
    return savedStateSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    throw new SallyportError(
      'file_refused',
      `${path} is damaged or from another version; it holds the versions below which nothing is accepted. Enrol this machine again: sallyport gateway uninstall, then install with a new token.`,
    );
  }
}

export async function writeSavedState(path: string, saved: SavedState): Promise<void> {
  await writeFileAtomically(path, JSON.stringify(saved), { mode: 0o600 });
}
