/** `update.json`: whether to look for newer versions, where, and the newest that was seen. */
import { join } from 'node:path';
import { z } from 'zod';
import { unixSeconds } from '../../api/common.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { readPrivateFile, writeFileAtomically } from '../../files/write-file.ts';
import type { StatePaths } from '../state-paths.ts';

const updateState = z.strictObject({
  v: z.literal(1),
  on: z.boolean(),
  /** null: the server that one is logged in at. */
  url: z.string().nullable(),
  /** The last attempt, whatever became of it. */
  asked_at: unixSeconds.nullable(),
  seen: z
    .strictObject({
      number: z.int().positive(),
      version: z.string(),
      digest: z.string(),
      issued_at: unixSeconds,
    })
    .nullable(),
});

export type UpdateState = z.infer<typeof updateState>;

const none: UpdateState = { v: 1, on: false, url: null, asked_at: null, seen: null };

/** @throws file_refused, also for a file that can't be read: to forget what was seen is what an attacker wants */
export async function readUpdateState(paths: Pick<StatePaths, 'folder'>): Promise<UpdateState> {
  const bytes = await readPrivateFile(fileOf(paths));
  if (!bytes) return none;
  try {
    return updateState.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    throw new SallyportError(
      'file_refused',
      `${fileOf(paths)} is not as sally wrote it. Delete it, and say again: sally update-check on`,
    );
  }
}

export async function writeUpdateState(paths: Pick<StatePaths, 'folder'>, state: UpdateState): Promise<void> {
  const text = `${JSON.stringify(updateState.parse(state), null, 2)}\n`;
  await writeFileAtomically(fileOf(paths), text, { mode: 0o600 });
}

function fileOf({ folder }: Pick<StatePaths, 'folder'>): string {
  return join(folder, 'update.json');
}
