/**
 * The person's own `~/.ssh/config`: one line of ours at its very top, because ssh keeps the first value it finds and
 * because an Include below a Host line belongs to that Host. Every other byte stays as it is, through a symbolic link
 * too, whose target is replaced in its own folder.
 */
import { constants, type Stats } from 'node:fs';
import { lstat, open, readlink, realpath, unlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { writeFileAtomically } from '../files/write-file.ts';
import { includeLine } from './ssh-config-text.ts';
import type { StatePaths } from './state-paths.ts';

export type InstallOutcome = 'added' | 'present';
export type UninstallOutcome = 'removed' | 'absent';

/** @throws file_refused if the file is not one that may be written */
export async function addIncludeLine(paths: StatePaths): Promise<InstallOutcome> {
  const line = `${includeLine(paths)}\n`;
  const found = await readConfig(paths);
  const bytes = found.bytes ?? Buffer.alloc(0);
  if (
    bytes
      .subarray(0, line.length * 4)
      .toString('utf8')
      .startsWith(line)
  )
    return 'present';
  if (found.bytes) await backUp(paths, found.bytes);
  await replace(found, Buffer.concat([Buffer.from(line), withoutLine(bytes, line)]), line);
  return 'added';
}

/** Leaves the file as it was before the line came; one that we created and nobody wrote into goes away. */
export async function removeIncludeLine(paths: StatePaths): Promise<UninstallOutcome> {
  const line = `${includeLine(paths)}\n`;
  const found = await readConfig(paths);
  if (!found.bytes) return 'absent';
  const rest = withoutLine(found.bytes, line);
  if (rest.length === found.bytes.length) return 'absent';
  if (rest.length === 0 && !(await exists(paths.backup))) await unlink(found.path).catch(ignoreMissing);
  else await replace(found, rest, line);
  return 'removed';
}

export async function hasIncludeLine(paths: StatePaths): Promise<boolean> {
  const line = `${includeLine(paths)}\n`;
  const { bytes } = await readConfig(paths);
  return bytes !== undefined && withoutLine(bytes, line).length !== bytes.length;
}

/** Empty where there is none, or none that may be read. */
export async function userConfigText(paths: StatePaths): Promise<string> {
  const { bytes } = await readConfig(paths).catch(() => ({ bytes: undefined }));
  return bytes?.toString('utf8') ?? '';
}

interface FoundConfig {
  /** The file itself, at the end of symbolic links. */
  readonly path: string;
  readonly bytes: Buffer | undefined;
  readonly mode: number;
}

async function readConfig({ userConfig }: StatePaths): Promise<FoundConfig> {
  const path = await endOfLinks(userConfig);
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error.code === 'ELOOP' ? refused(userConfig, 'changes while it is being read') : error;
    },
  );
  if (!file) return { path, bytes: undefined, mode: 0o600 };
  try {
    const facts = await file.stat();
    checkFile(userConfig, facts);
    // ssh reads no config that others may write to; everything else about the mode is the person's choice.
    return { path, bytes: await file.readFile(), mode: facts.mode & 0o755 };
  } finally {
    await file.close();
  }
}

function checkFile(name: string, facts: Stats): void {
  if (!facts.isFile()) throw refused(name, 'is not a regular file');
  if (process.getuid && facts.uid !== process.getuid()) throw refused(name, 'belongs to another user');
}

/** Where the links lead, also if there is nothing there yet. */
async function endOfLinks(path: string): Promise<string> {
  const found = await lstat(path).catch(() => undefined);
  if (!found?.isSymbolicLink()) return path;
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw refused(path, 'is a link that leads nowhere');
    const next = resolve(dirname(path), await readlink(path));
    return await endOfLinks(next);
  }
}

async function replace(found: FoundConfig, bytes: Buffer, line: string): Promise<void> {
  try {
    await writeFileAtomically(found.path, bytes, { mode: found.mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EROFS' && code !== 'EPERM' && code !== 'ENOENT') throw error;
    throw new SallyportError(
      'file_refused',
      `${found.path} cannot be written (${code}). Its first line must be: ${line.trimEnd()}`,
    );
  }
}

/** Once: what is backed up is the file as no sally has touched it. */
async function backUp(paths: StatePaths, bytes: Buffer): Promise<void> {
  if (!(await exists(paths.backup))) await writeFileAtomically(paths.backup, bytes, { mode: 0o600 });
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}

/** The bytes without the lines that are exactly ours, wherever they stand. */
function withoutLine(bytes: Buffer, line: string): Buffer {
  const wanted = Buffer.from(line);
  const kept: Buffer[] = [];
  let start = 0;
  for (let at = bytes.indexOf(wanted); at !== -1; at = bytes.indexOf(wanted, at + 1)) {
    const startsALine = at === 0 || bytes[at - 1] === 0x0a;
    if (!startsALine || at < start) continue;
    kept.push(bytes.subarray(start, at));
    start = at + wanted.length;
  }
  return Buffer.concat([...kept, bytes.subarray(start)]);
}

function refused(path: string, problem: string): SallyportError {
  return new SallyportError(
    'file_refused',
    `${path} ${problem}. Nothing was written into it. Move it away and try again.`,
  );
}
