/** What a check of `sally doctor` has found. A check's name is stable: support and scripts compare it. */
import type { GatewayPlace } from '../network/gateway-ports.ts';

/** Every check, in the order in which they are told. */
export const checkNames = [
  'ssh',
  'permissions',
  'storage',
  'files',
  'config',
  'certificate',
  'key',
  'agent',
  'sally-agent',
  'leftovers',
  'sharing',
  'helper',
  'updates',
  'server',
  'clock',
  'session',
  'gateways',
] as const;

export type CheckName = (typeof checkNames)[number];

/** `unknown`: it could not be looked at. */
export type Outcome = 'ok' | 'warning' | 'problem' | 'unknown';

export interface Finding {
  readonly check: CheckName;
  readonly outcome: Outcome;
  /** What is so, and what that means. */
  readonly says: string;
  /** What to do about it; null: nothing need be done. */
  readonly fix: string | null;
  /** What --fix does about it; absent: it is for the person. */
  readonly repair?: Repair;
}

/** All of it concerns files of ours, modes, and what is surely left over. */
export type Repair =
  | { readonly kind: 'mode'; readonly path: string; readonly mode: number }
  /** Our line at the top of the person's config. */
  | { readonly kind: 'include' }
  /** What is below ~/.ssh/sallyport for ssh to read. */
  | { readonly kind: 'own-files' }
  | { readonly kind: 'certificate' }
  | { readonly kind: 'agent-keys'; readonly lines: readonly string[] }
  | { readonly kind: 'leftovers'; readonly paths: readonly string[] }
  | { readonly kind: 'masters' }
  /** The port of a gateway that answers here. */
  | { readonly kind: 'port'; readonly gateway: GatewayPlace };

export function ok(check: CheckName, says: string): Finding {
  return { check, outcome: 'ok', says, fix: null };
}

export function unknown(check: CheckName, says: string, fix: string | null = null): Finding {
  return { check, outcome: 'unknown', says, fix };
}

/** Whether anything is wrong: warnings are none of that. */
export function isWell(findings: readonly Finding[]): boolean {
  return findings.every(({ outcome }) => outcome !== 'problem');
}
