/** Whether sally can write at all: a full disk, a home that is mounted for reading. */
import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import type { StatePaths } from '../state-paths.ts';
import { type Finding, ok, unknown } from './finding.ts';

export interface StorageFacts {
  /** The deepest folder of ours that is there. */
  readonly path: string;
  /** Why it cannot be written; null: it can. */
  readonly refusal: string | null;
  /** Bytes that are free to this user; undefined: not told. */
  readonly freeBytes: number | undefined;
  /** Files that can still be made; undefined: the file system has no such limit. */
  readonly freeFiles: number | undefined;
}

/** A rotation writes a few kilobytes; far above them other programs are in trouble first. */
const leastBytes = 256 * 1024;
const leastFiles = 32;

export async function gatherStorage({ folder, sshFolder, home }: StatePaths): Promise<StorageFacts> {
  let path = home;
  for (const deeper of [sshFolder, folder]) if (await isThere(deeper)) path = deeper;
  const refusal = await access(path, constants.W_OK).then(
    () => null,
    ({ code }: NodeJS.ErrnoException) => code ?? 'unknown',
  );
  const facts = await statfs(path).catch(() => undefined);
  return {
    path,
    refusal,
    freeBytes: facts && facts.bavail * facts.bsize,
    freeFiles: facts && facts.files > 0 ? facts.ffree : undefined,
  };
}

export function judgeStorage({ path, refusal, freeBytes, freeFiles }: StorageFacts): Finding {
  if (refusal !== null) {
    const why =
      refusal === 'EROFS'
        ? 'is on a file system that cannot be written now'
        : `cannot be written (${refusal})`;
    return {
      check: 'storage',
      outcome: 'problem',
      says: `${path} ${why}: certificates cannot be renewed. The one at hand is used until it ends.`,
      fix:
        refusal === 'EROFS'
          ? 'Mount your home for writing, or set HOME to a folder that can be written'
          : `Look at its owner and mode: ls -ld ${path}`,
    };
  }
  const isFull = freeBytes !== undefined && freeBytes < leastBytes;
  const hasNoFiles = freeFiles !== undefined && freeFiles < leastFiles;
  if (isFull || hasNoFiles) {
    return {
      check: 'storage',
      outcome: 'problem',
      says: `The disk of ${path} is full${hasNoFiles && !isFull ? ' (no more files fit, df -i tells)' : ''}: certificates cannot be renewed.`,
      fix: `Make room: df -h ${path}`,
    };
  }
  if (freeBytes === undefined) return unknown('storage', `how much room ${path} has is not told`);
  return ok('storage', 'there is room, and it can be written');
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
