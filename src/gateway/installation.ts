/**
 * The record of what an installation changed on the machine, with every file's former content: written before the first
 * change, so that it can be undone from any point.
 */
import { readFile, rm, stat } from 'node:fs/promises';
import { z } from 'zod';
import { SallyportError } from '../errors/sallyport-error.ts';
import { readPrivateFile, writeFileAtomically } from '../files/write-file.ts';

const changedFile = z.strictObject({
  path: z.string(),
  /** base64; null: there was none */
  before: z.base64().nullable(),
  after: z.base64(),
  mode: z.int(),
});

/** `format` grows when older readers must not go on. */
const installationSchema = z.strictObject({
  format: z.literal(1),
  files: z.array(changedFile),
  createdUser: z.string().nullable(),
});

export type Installation = z.infer<typeof installationSchema>;
export type ChangedFile = z.infer<typeof changedFile>;

export interface FileChange {
  readonly path: string;
  readonly contents: string;
  /** Used where the file is new; an existing one keeps its own. */
  readonly mode: number;
}

export async function readInstallation(path: string): Promise<Installation | undefined> {
  const bytes = await readPrivateFile(path);
  if (bytes === undefined) return undefined;
  try {
    return installationSchema.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    throw new SallyportError(
      'file_refused',
      `${path} is damaged: what was installed must be undone by hand. Look for files that begin with "# Written by sallyport".`,
    );
  }
}

export async function writeInstallation(path: string, installation: Installation): Promise<void> {
  await writeFileAtomically(path, JSON.stringify(installation), { mode: 0o600 });
}

/** What is there now, beside what is wanted. */
export async function planChange({ path, contents, mode }: FileChange): Promise<ChangedFile> {
  const before = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return {
    path,
    before: before?.toString('base64') ?? null,
    after: Buffer.from(contents).toString('base64'),
    mode: before ? (await stat(path)).mode & 0o777 : mode,
  };
}

export async function applyChange({ path, after, mode }: ChangedFile): Promise<void> {
  await writeFileAtomically(path, Buffer.from(after, 'base64'), { mode });
}

/** @returns false if somebody changed the file since: then it is left alone */
export async function undoChange({ path, before, after, mode }: ChangedFile): Promise<boolean> {
  const now = await readFile(path).catch(() => undefined);
  const unchanged = now?.toString('base64') === after;
  const neverDone = (now?.toString('base64') ?? null) === before;
  if (neverDone) return true;
  if (!unchanged) return false;
  if (before === null) await rm(path);
  else await writeFileAtomically(path, Buffer.from(before, 'base64'), { mode });
  return true;
}
