import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readEnrolmentToken } from '../../src/gateway/read-enrolment-token.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-token-'));
afterAll(() => rmSync(folder, { recursive: true }));
const token = 'a'.repeat(43);
const written = (text: string) => {
  const file = join(folder, 'token');
  writeFileSync(file, text);
  return file;
};
const silence = async () => '';

test('a token comes from a file or from standard input, with or without a line end', async () => {
  expect(await readEnrolmentToken(written(`${token}\n`), silence)).toBe(token);
  expect(await readEnrolmentToken(undefined, async () => `${token}\n`)).toBe(token);
});

test('what holds none is said before anybody is asked', async () => {
  await expect(readEnrolmentToken(undefined, silence)).rejects.toThrow(
    'no enrolment token on standard input',
  );
  await expect(readEnrolmentToken(written('two words'), silence)).rejects.toThrow('no enrolment token in ');
  await expect(readEnrolmentToken(join(folder, 'none'), silence)).rejects.toThrow('none does not exist.');
  await expect(readEnrolmentToken(folder, silence)).rejects.toThrow('cannot be read.');
});
