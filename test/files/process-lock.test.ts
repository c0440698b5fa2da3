import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tryProcessLock, waitForProcessLock } from '../../src/files/process-lock.ts';
import { codeOf } from '../ssh/refusal.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-lock-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Whether another process would get the lock now. */
function isFreeElsewhere(path: string): boolean {
  const module = new URL('../../src/files/process-lock.ts', import.meta.url).href;
  const script = `const { tryProcessLock } = await import(${JSON.stringify(module)});
    console.log(tryProcessLock(${JSON.stringify(path)}) === undefined ? 'held' : 'free');`;
  const answer = execFileSync(process.execPath, ['--input-type=module', '--eval', script]);
  return answer.toString().trim() === 'free';
}

test('a lock is held against this process and others until it is released', () => {
  const path = join(folder, 'plain');
  const lock = tryProcessLock(path);
  expect(lock).toBeDefined();
  expect(tryProcessLock(path)).toBeUndefined();
  expect(isFreeElsewhere(path)).toBe(false);
  lock?.release();
  expect(isFreeElsewhere(path)).toBe(true);
});

test('asking again for a lock that this process holds does not give it to another process', async () => {
  const path = join(folder, 'asked-again');
  const lock = tryProcessLock(path);
  expect(tryProcessLock(path)).toBeUndefined();
  expect(await waitForProcessLock(path, 0)).toBeUndefined();
  expect(isFreeElsewhere(path)).toBe(false);
  lock?.release();
});

test('a symbolic link and a folder are refused, and what a link points at is not touched', () => {
  const link = join(folder, 'link');
  symlinkSync(join(folder, 'elsewhere'), link);
  expect(codeOf(() => tryProcessLock(link))).toBe('file_refused');
  writeFileSync(join(folder, 'elsewhere'), 'content');
  expect(codeOf(() => tryProcessLock(link))).toBe('file_refused');
  expect(codeOf(() => tryProcessLock(folder))).toBe('file_refused');
});
