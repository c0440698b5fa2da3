import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  createFileAtomically,
  ensurePrivateFolder,
  readPrivateFile,
  writeFileAtomically,
} from '../../src/files/write-file.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-files-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
const umask = process.umask();
afterEach(() => process.umask(umask));

const modeOf = (path: string) => statSync(path).mode & 0o777;

describe('writing', () => {
  test.each([0o000, 0o022, 0o077, 0o377])('gives the exact mode under umask %o', async (mask) => {
    const path = join(folder, `mode-${mask}`);
    process.umask(mask);
    for (const mode of [0o600, 0o644]) {
      await writeFileAtomically(path, 'x', { mode });
      expect(modeOf(path)).toBe(mode);
    }
  });

  test('creates what is not there and overwrites nothing, a dangling link included', async () => {
    const here = mkdtempSync(join(folder, 'create-'));
    const [path, dangling] = [join(here, 'new'), join(here, 'dangling')];
    symlinkSync(join(here, 'nowhere'), dangling);
    await createFileAtomically(path, 'first', { mode: 0o640 });
    for (const taken of [path, dangling]) {
      const again = createFileAtomically(taken, 'second', { mode: 0o600 });
      await expect(again).rejects.toMatchObject({ code: 'file_refused' });
    }
    expect([readFileSync(path, 'utf8'), modeOf(path)]).toEqual(['first', 0o640]);
    expect(readdirSync(here).sort()).toEqual(['dangling', 'new']);
  });

  test('replaces a symbolic link and leaves what it points at', async () => {
    const [target, link] = [join(folder, 'target'), join(folder, 'link')];
    writeFileSync(target, 'theirs');
    symlinkSync(target, link);
    await writeFileAtomically(link, 'ours', { mode: 0o600 });
    expect([readFileSync(target, 'utf8'), readFileSync(link, 'utf8')]).toEqual(['theirs', 'ours']);
  });

  test('replaces a hard link and leaves the other name’s content', async () => {
    const [original, twin] = [join(folder, 'original'), join(folder, 'twin')];
    writeFileSync(original, 'theirs');
    linkSync(original, twin);
    await writeFileAtomically(twin, 'ours', { mode: 0o600 });
    expect([readFileSync(original, 'utf8'), readFileSync(twin, 'utf8')]).toEqual(['theirs', 'ours']);
  });

  test('leaves nothing beside the target if it fails', async () => {
    const place = join(folder, 'place');
    mkdirSync(join(place, 'taken', 'full'), { recursive: true });
    await expect(writeFileAtomically(join(place, 'taken'), 'x', { mode: 0o600 })).rejects.toThrow();
    expect(readdirSync(place)).toEqual(['taken']);
  });
});

describe('a private folder', () => {
  test('is created private under any umask, and one that others may enter is tightened', async () => {
    process.umask(0);
    const path = join(folder, 'new', 'private');
    await ensurePrivateFolder(path);
    expect([modeOf(join(folder, 'new')), modeOf(path)]).toEqual([0o700, 0o700]);
    const open = join(folder, 'open');
    mkdirSync(open, { mode: 0o777 });
    await ensurePrivateFolder(open);
    expect(modeOf(open)).toBe(0o700);
  });

  test('is refused where a symbolic link stands in its place', async () => {
    const link = join(folder, 'folder-link');
    symlinkSync(folder, link);
    await expect(ensurePrivateFolder(link)).rejects.toMatchObject({ code: 'file_refused' });
  });
});

describe('a secret', () => {
  const secret = (name: string, mode: number) => {
    const path = join(folder, name);
    process.umask(0);
    writeFileSync(path, 'secret', { mode });
    return path;
  };

  test('is read where nobody else may, and is undefined where there is none', async () => {
    expect((await readPrivateFile(secret('good', 0o600)))?.toString()).toBe('secret');
    expect(await readPrivateFile(join(folder, 'none'))).toBeUndefined();
  });

  test.each([0o640, 0o604, 0o620])('that others may use (%o) is refused', async (mode) => {
    await expect(readPrivateFile(secret(`open-${mode}`, mode))).rejects.toMatchObject({
      code: 'file_refused',
    });
  });

  test('behind a symbolic link is refused', async () => {
    const link = join(folder, 'secret-link');
    symlinkSync(secret('pointed-at', 0o600), link);
    await expect(readPrivateFile(link)).rejects.toMatchObject({ code: 'file_refused' });
  });

  test('is no folder and no named pipe, which would be waited for', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', ['-m', '600', pipe]);
    await expect(readPrivateFile(pipe)).rejects.toMatchObject({ code: 'file_refused' });
    const place = join(folder, 'no-file');
    mkdirSync(place, { mode: 0o700 });
    await expect(readPrivateFile(place)).rejects.toMatchObject({ code: 'file_refused' });
  });
});
