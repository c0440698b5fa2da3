import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { readAside } from '../../src/gateway/read-aside.ts';
import { holdLooks } from './held-looks.ts';

test('what keeps its reader waiting leaves a thread to others, and whoever comes later has its turn', async () => {
  const held = holdLooks();
  let isRead = false;
  const waiting = readAside('/proc/self/comm').then((text) => {
    isRead = true;
    return text;
  });
  expect(await readFile('/proc/self/stat', 'utf8')).toContain(`${process.pid} `);
  expect(isRead).toBe(false);
  await held.release();
  expect(await waiting).not.toBe('');
});

test('what is not there, or not a file, is empty', async () => {
  expect(await Promise.all(['/proc/0/stat', '/proc'].map(readAside))).toEqual(['', '']);
});
