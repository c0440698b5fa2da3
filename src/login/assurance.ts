/**
 * What a provider's own statements prove of a second factor, by that provider's own mapping and no other: the same word
 * means different things at different providers. Pure.
 */
import type { Claims } from './claim-at.ts';

export interface AssuranceMapping {
  /** A value of `amr` as this provider sends it, and the methods of RFC 8176 that it stands for. */
  readonly amr: Readonly<Record<string, readonly string[]>>;
  /** Sets of the provider's values; a login that used all of one set was multi-factor. */
  readonly multiFactorAmr: readonly (readonly string[])[];
  /** Values of `acr` that say the login was multi-factor. */
  readonly multiFactorAcr: readonly string[];
}

export interface Assurance {
  readonly mfa: boolean;
  /** RFC 8176 names, sorted; empty without mfa. */
  readonly methods: readonly string[];
}

const none: Assurance = { mfa: false, methods: [] };

/** Values are compared exactly, with their case; what the mapping does not name says nothing. */
export function assuranceFrom(mapping: AssuranceMapping, claims: Claims): Assurance {
  const used = amrFrom(claims);
  const acr = acrFrom(claims);
  const byAmr = mapping.multiFactorAmr.some(
    (set) => set.length > 0 && set.every((value) => used.includes(value)),
  );
  const byAcr = acr !== null && mapping.multiFactorAcr.includes(acr);
  if (!byAmr && !byAcr) return none;
  const methods = used.flatMap((value) =>
    Object.hasOwn(mapping.amr, value) ? (mapping.amr[value] ?? []) : [],
  );
  return { mfa: true, methods: [...new Set([...methods, 'mfa'])].sort() };
}

/** `amr` only as OpenID Connect Core section 2 defines it, a list of strings; anything else counts as nothing said. */
export function amrFrom(claims: Claims): readonly string[] {
  const { amr } = claims;
  return Array.isArray(amr) && amr.every((method) => typeof method === 'string') ? amr : [];
}

export function acrFrom(claims: Claims): string | null {
  const { acr } = claims;
  return typeof acr === 'string' ? acr : null;
}
