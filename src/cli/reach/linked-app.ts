/** `.sallyport/link.json`: which app a folder, and everything below it, is of. It may be kept in the repository. */
import { lstat, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { slug } from '../../api/common.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';

export const linkFile = join('.sallyport', 'link.json');

const linkedApp = z.strictObject({ v: z.literal(1), project: slug, environment: slug, app: slug });

export type LinkedApp = Omit<z.infer<typeof linkedApp>, 'v'>;

const largestFile = 4_096;

/** The nearest link from here upwards. @throws file_refused if it is damaged */
export async function findLink(folder: string): Promise<{ path: string; app: LinkedApp } | undefined> {
  if (folder === '') return undefined;
  for (let here = folder; ; here = dirname(here)) {
    const path = join(here, linkFile);
    const found = await lstat(path).catch(() => undefined);
    if (found?.isFile()) return { path, app: parse(path, await readSmall(path, found.size)) };
    if (dirname(here) === here) return undefined;
  }
}

export function linkText(app: LinkedApp): string {
  return `${JSON.stringify(linkedApp.parse({ v: 1, ...app }), null, 2)}\n`;
}

async function readSmall(path: string, size: number): Promise<string> {
  return size > largestFile ? '' : await readFile(path, 'utf8');
}

function parse(path: string, text: string): LinkedApp {
  try {
    const { v: _version, ...app } = linkedApp.parse(JSON.parse(text));
    return app;
  } catch {
    throw new SallyportError(
      'file_refused',
      `${path} is not a link that this sally knows. Write it anew: sally link NAME`,
    );
  }
}
