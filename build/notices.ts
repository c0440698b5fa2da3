/** The licenses of what is inside a bundle, which they want to be passed on with. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './bundle.ts';

export async function notices(packages: readonly string[]): Promise<string> {
  const parts = await Promise.all(packages.map(noticeOf));
  return `This program contains the following packages.\n\n${parts.join('\n\n')}\n`;
}

async function noticeOf(name: string): Promise<string> {
  const folder = join(root, 'node_modules', name);
  const { version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const file = (await readdir(folder)).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
  const text = file ? (await readFile(join(folder, file), 'utf8')).trim() : '';
  return `== ${name} ${version} (${typeof license === 'string' ? license : 'see below'})\n\n${text}`;
}
