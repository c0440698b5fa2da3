/**
 * Whether the certificate authority behind a server's certificate may be another than before. A company or a program on
 * the machine that reads along in TLS connections has an authority of its own installed, which the machine then believes
 * like every other. Pure.
 */
import type { Anchor } from '../profiles/profile-settings.ts';

export type AnchorDecision =
  | { readonly kind: 'same' }
  /** From now on this one; `isNews` where the person should hear of it. */
  | { readonly kind: 'remember'; readonly isNews: boolean }
  | { readonly kind: 'refuse' };

export function decideAnchor(before: Anchor | undefined, seen: Anchor): AnchorDecision {
  if (before?.spki === seen.spki) return { kind: 'same' };
  if (!before) return { kind: 'remember', isNews: !seen.is_public };
  // Who has taken over a public authority, of which every certificate is logged in public, needs no other's help.
  if (seen.is_public) return { kind: 'remember', isNews: !before.is_public };
  return { kind: 'refuse' };
}
