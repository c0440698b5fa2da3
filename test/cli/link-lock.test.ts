import { linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { tryLinkLock } from '../../src/cli/link-lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'sally-lock-'));
const path = join(folder, 'lock');
const held = `${path}.held`;
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

test('a lock that another one took over while it was looked at stays theirs', () => {
  writeFileSync(held, `${hostname()} 999999999\n`);
  const theirs = join(folder, 'theirs');
  vi.spyOn(process, 'kill').mockImplementation(() => {
    // Its holder is gone; and now somebody else is the holder.
    writeFileSync(theirs, 'elsewhere 1\n');
    rmSync(held);
    linkSync(theirs, held);
    throw Object.assign(new Error('no such process'), { code: 'ESRCH' });
  });
  expect(tryLinkLock(path)).toBeUndefined();
  expect(readFileSync(held, 'utf8')).toBe('elsewhere 1\n');
});
