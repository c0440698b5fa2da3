/** Looks at home, `~/.ssh` and everything of ours, without following links below it. */
import type { Dirent } from 'node:fs';
import { lstat, open, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StatePaths } from '../state-paths.ts';
import type { PlaceFacts, PlaceKind } from './permissions.ts';

/** More than a day of rotations leaves. */
const mostFiles = 5000;

export async function gatherPlaces(paths: StatePaths): Promise<PlaceFacts[]> {
  const wanted: [string, PlaceKind][] = [
    ...parentsOf(paths.home).map((path): [string, PlaceKind] => [path, 'parent']),
    [paths.home, 'home'],
    [paths.sshFolder, 'ssh-folder'],
    [paths.userConfig, 'config'],
    ...(await privateKeys(paths)).map((path): [string, PlaceKind] => [path, 'key']),
    [paths.folder, 'own-folder'],
    ...(await below(paths.folder)),
  ];
  const found: PlaceFacts[] = [];
  for (const [path, kind] of wanted) {
    // What ssh judges is the config at the end of a link; a home may lie elsewhere.
    const isFollowed = kind === 'config' || kind === 'home';
    const facts = await (isFollowed ? stat(path) : lstat(path)).catch(() => undefined);
    if (!facts) continue;
    found.push({ path, kind, uid: facts.uid, mode: facts.mode & 0o7777, isLink: facts.isSymbolicLink() });
  }
  return found;
}

function parentsOf(home: string): string[] {
  const parents: string[] = [];
  for (let path = dirname(home); ; path = dirname(path)) {
    parents.unshift(path);
    if (path === dirname(path)) return parents;
  }
}

/** By what is in them: their names are the person's choice. */
async function privateKeys({ sshFolder }: StatePaths): Promise<string[]> {
  const entries = await readdir(sshFolder, { withFileTypes: true }).catch((): Dirent[] => []);
  const keys: string[] = [];
  for (const { name } of entries.filter((entry) => entry.isFile())) {
    const path = join(sshFolder, name);
    if (await startsAsKey(path)) keys.push(path);
  }
  return keys;
}

async function startsAsKey(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return false;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
    return /^-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(buffer.toString('latin1', 0, bytesRead));
  } finally {
    await file.close();
  }
}

async function below(folder: string): Promise<[string, PlaceKind][]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch((): Dirent[] => []);
  return entries
    .filter((entry) => !entry.isSocket())
    .slice(0, mostFiles)
    .map((entry) => [join(entry.parentPath, entry.name), entry.isDirectory() ? 'own-folder' : 'own-file']);
}
