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
  /** What we had written before `after`: whoever was cut off while replacing it left one of the two. */
  formerly: z.base64().optional(),
  mode: z.int(),
});

/** What the machine's owner chose, for whoever writes our configuration again. */
const settingsSchema = z.strictObject({
  keepAuthorizedKeys: z.boolean(),
  penaltyExemptions: z.array(z.string()),
  askProgram: z.string().nullable(),
  /** Exceptions in the machine's own files that were told and accepted, in the words of check-drift.ts. */
  accepted: z.array(z.string()),
});

/** `format` grows when older readers must not go on. */
const installationSchema = z.strictObject({
  format: z.literal(1),
  files: z.array(changedFile),
  createdUser: z.string().nullable(),
  /** Absent: an older version installed it. */
  settings: settingsSchema.optional(),
});

export type InstallationSettings = z.infer<typeof settingsSchema>;
export type Installation = z.infer<typeof installationSchema>;
export type ChangedFile = z.infer<typeof changedFile>;

export interface FileChange {
  readonly path: string;
  readonly contents: string;
  /** Nobody else has any business in it. */
  readonly isOurs: boolean;
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

/**
 * What is there now, beside what is wanted.
 * @param earlier what an earlier installation did to the same file: what was there before that is what counts
 * @throws file_refused if somebody changed a file of ours since
 */
export async function planChange(
  { path, contents, isOurs, mode }: FileChange,
  earlier?: ChangedFile,
): Promise<ChangedFile> {
  const bytes = await readIfThere(path);
  const now = bytes?.toString('base64') ?? null;
  const after = Buffer.from(contents).toString('base64');
  if (earlier && isAsWeLeftIt(earlier, now)) {
    return { ...earlier, after, ...(now === null || now === after ? {} : { formerly: now }) };
  }
  if (isOurs && now !== null) {
    throw new SallyportError(
      'file_refused',
      `Somebody changed ${path} after the installation. Move it away and install again.`,
    );
  }
  return { path, before: now, after, mode: bytes ? (await stat(path)).mode & 0o777 : mode };
}

export async function applyChange({ path, after, mode }: ChangedFile): Promise<void> {
  await writeFileAtomically(path, Buffer.from(after, 'base64'), { mode });
}

/** Files of ours that hold what somebody else wrote: they can't be undone. */
export async function changedByOthers({ files }: Pick<Installation, 'files'>): Promise<string[]> {
  const changed: string[] = [];
  for (const file of files) {
    const now = await contentNow(file);
    if (file.before === null && now !== null && !isAsWeLeftIt(file, now)) changed.push(file.path);
  }
  return changed;
}

/**
 * Of a file of the machine that others changed too, such as nsswitch.conf, our lines alone are taken back.
 * @returns false if somebody changed a file of ours since: then it is left alone
 */
export async function undoChange(file: ChangedFile): Promise<boolean> {
  const { path, before, mode } = file;
  const now = await contentNow(file);
  if (now === before) return true;
  if (before === null) {
    if (!isAsWeLeftIt(file, now)) return false;
    await rm(path);
    return true;
  }
  const contents =
    now === null || isAsWeLeftIt(file, now) ? Buffer.from(before, 'base64') : withoutOurLines(file, now);
  await writeFileAtomically(path, contents, { mode });
  return true;
}

async function contentNow({ path }: ChangedFile): Promise<string | null> {
  return (await readIfThere(path))?.toString('base64') ?? null;
}

/** Lines that we changed are as they were; lines that we added, or that were changed again, are not ours to judge. */
function withoutOurLines({ before, after }: ChangedFile, now: string): string {
  const linesOf = (base64: string | null) =>
    Buffer.from(base64 ?? '', 'base64')
      .toString('utf8')
      .split('\n');
  const former = linesOf(before);
  const changed = new Map(linesOf(after).map((line, index) => [line, former[index] ?? line]));
  return linesOf(now)
    .map((line) => changed.get(line) ?? line)
    .join('\n');
}

/** Another content for a file of ours: the record knows it before it is there. @throws file_refused as planChange() */
export async function replaceOurFile(recordFile: string, path: string, contents: string): Promise<void> {
  const installation = await readInstallation(recordFile);
  const earlier = installation?.files.find((file) => file.path === path);
  if (installation === undefined || earlier === undefined) {
    throw new SallyportError('file_refused', `${recordFile} does not say who wrote ${path}.`);
  }
  const planned = await planChange({ path, contents, isOurs: true, mode: earlier.mode }, earlier);
  const files = installation.files.map((file) => (file === earlier ? planned : file));
  await writeInstallation(recordFile, { ...installation, files });
  await applyChange(planned);
}

function isAsWeLeftIt({ after, formerly }: ChangedFile, now: string | null): boolean {
  return now !== null && (now === after || now === formerly);
}

export async function readIfThere(path: string): Promise<Buffer | undefined> {
  return await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
