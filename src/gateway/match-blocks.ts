/**
 * Exceptions in an sshd configuration: a line in a Match block counts instead of the global one for whom it matches,
 * wherever the two stand (sshd_config(5)).
 */
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface Exception {
  /** As written there. */
  readonly keyword: string;
  readonly value: string;
}

/**
 * Pure.
 * @param inMatch whether the file is included from within a Match block
 * @returns the lines of `keywords` that stand in a Match block of the file
 */
export function exceptionsIn(text: string, keywords: readonly string[], inMatch = false): Exception[] {
  const wanted = new Set(keywords.map((keyword) => keyword.toLowerCase()));
  return linesOf(text, inMatch).filter((line) => line.inMatch && wanted.has(line.keyword.toLowerCase()));
}

export interface ConfigurationFile {
  readonly path: string;
  readonly text: string;
  readonly inMatch: boolean;
}

/** As deep as sshd goes (servconf.c, SERVCONF_MAX_DEPTH). */
const deepest = 16;

/** The file and all that it includes, as far as they can be read. */
export async function filesRead(main: string, inMatch = false, depth = 0): Promise<ConfigurationFile[]> {
  const text = await readFile(main, 'utf8').catch(() => undefined);
  if (text === undefined || depth > deepest) return [];
  const found: ConfigurationFile[] = [{ path: main, text, inMatch }];
  for (const line of linesOf(text, inMatch)) {
    if (line.keyword.toLowerCase() !== 'include') continue;
    for (const pattern of line.value.split(/\s+/)) {
      const plain = pattern.replaceAll('"', '');
      const whole = plain.startsWith('/') ? plain : join(dirname(main), plain);
      for (const path of globSync(whole)) found.push(...(await filesRead(path, line.inMatch, depth + 1)));
    }
  }
  return found;
}

/** Lines of keyword and value. A Match block ends with its file only: "Match all" overrules as well. */
function linesOf(text: string, startsInMatch: boolean): (Exception & { readonly inMatch: boolean })[] {
  let inMatch = startsInMatch;
  return text.split('\n').flatMap((line) => {
    const [, keyword = '', rest = ''] = /^\s*"?([A-Za-z]+)"?(?:\s*=\s*|\s+)?(.*)$/.exec(line) ?? [];
    if (keyword === '') return [];
    if (keyword.toLowerCase() === 'match') inMatch = true;
    const value = rest
      .replace(/\s+#.*$/, '')
      .trim()
      .replace(/^"([^"]*)"$/, '$1');
    return [{ keyword, value, inMatch }];
  });
}
