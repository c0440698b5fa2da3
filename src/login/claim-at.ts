/** Where a value stands among a provider's claims. Pure. */

export type Claims = Readonly<Record<string, unknown>>;

/**
 * The value that `reference` names: a claim by its literal name, or, if it begins with "/", what the JSON Pointer
 * (RFC 6901) leads to. Undefined where there is none; names that every object has, such as "constructor", are none.
 */
export function claimAt(claims: Claims, reference: string): unknown {
  let at: unknown = claims;
  for (const key of pathOf(reference)) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    if (Array.isArray(at) && !/^(0|[1-9][0-9]*)$/.test(key)) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}

/** The claim of the token itself that `reference` begins in. */
export function topLevelClaim(reference: string): string {
  return pathOf(reference)[0] ?? reference;
}

/** A literal name, or a pointer whose escapes are the two of RFC 6901 section 3. */
export function isClaimReference(text: string): boolean {
  if (!/^[\x21-\x7e]{1,256}$/.test(text)) return false;
  return !text.startsWith('/') || /^(\/([^~/]|~[01])+)+$/.test(text);
}

function pathOf(reference: string): string[] {
  if (!reference.startsWith('/')) return [reference];
  return reference
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}
