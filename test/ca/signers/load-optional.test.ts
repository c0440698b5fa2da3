import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { loadOptional } from '../../../src/ca/signers/load-optional.ts';

const source = new URL('../../../src/ca/signers/load-optional.ts', import.meta.url).href;
const script = `
  import { loadOptional } from '${source}';
  loadOptional(() => import('@sallyport/none'), '@sallyport/none', 'The service').catch(({ code, message }) =>
    process.stdout.write(JSON.stringify({ code, message })));`;

test('a package that is not installed is named with the command that installs it', () => {
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(JSON.parse(printed)).toEqual({
    code: 'settings_invalid',
    message:
      'The service needs the package @sallyport/none, which is not installed. Run: npm install @sallyport/none',
  });
});

test('a package that is there is given, and one that breaks is not called missing', async () => {
  expect(await loadOptional(() => import('node:path'), 'path', 'x')).toHaveProperty('join');
  const broken = () => Promise.reject(new SyntaxError('broken'));
  await expect(loadOptional(broken, 'x', 'x')).rejects.toThrow(SyntaxError);
});
