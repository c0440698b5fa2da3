/**
 * Patterns for values of claims: `*` stands for anything within a segment, that is without "/" and ":", `**` for
 * anything; all else for itself, case and all. The whole value must match. Time grows with the product of the lengths,
 * whatever the pattern: who writes the value is not who wrote the pattern.
 */

/** Longer values match nothing. */
const longestValue = 2_048;

export function matchesPattern(pattern: string, value: string): boolean {
  if (value.length > longestValue) return false;
  const parts = pattern.match(/\*\*+|\*|[^*]/gsu) ?? [];
  const characters = [...value];
  // reached[i]: the parts so far can match the first i characters.
  let reached = characters.map(() => false);
  reached.unshift(true);
  for (const part of parts) {
    const next = reached.map(() => false);
    for (let index = 0; index <= characters.length; index += 1) {
      if (part.startsWith('*')) {
        const before = characters[index - 1];
        const mayGrow = before !== undefined && (part !== '*' || !/[/:]/.test(before));
        next[index] = reached[index] === true || (mayGrow && next[index - 1] === true);
      } else {
        next[index] = index > 0 && reached[index - 1] === true && characters[index - 1] === part;
      }
    }
    reached = next;
  }
  return reached[characters.length] === true;
}

export function hasWildcard(pattern: string): boolean {
  return pattern.includes('*');
}
