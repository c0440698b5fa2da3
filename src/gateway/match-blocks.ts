/**
 * Exceptions in an sshd configuration, pure: a line in a Match block counts instead of the global one for whom it
 * matches, wherever the two stand (sshd_config(5)).
 */

/** @returns those of `keywords` that stand in a Match block of the file, as written there, each once */
export function keywordsInMatchBlocks(text: string, keywords: readonly string[]): readonly string[] {
  const wanted = new Set(keywords.map((keyword) => keyword.toLowerCase()));
  const found = new Set<string>();
  let inMatch = false;
  for (const line of text.split('\n')) {
    const keyword = /^\s*"?([A-Za-z]+)/.exec(line)?.[1] ?? '';
    if (keyword.toLowerCase() === 'match') inMatch = true;
    else if (inMatch && wanted.has(keyword.toLowerCase())) found.add(keyword);
  }
  return [...found];
}
