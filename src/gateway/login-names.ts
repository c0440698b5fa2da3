/**
 * What a login name stands for on this machine, pure: sshd's user is the target, the menu, or a user of the machine.
 * Names are looked up, never taken apart.
 */
import type { CompanionState } from '../api/companions.ts';

/** A target as a companion knows it. */
export type KnownTarget = CompanionState['targets'][number];

export type Meaning =
  /** A target's name on a gateway, or its numeric alias. */
  | { readonly kind: 'target'; readonly target: KnownTarget }
  /** The menu: of whoever logs in (null), or of the account with this number alone. */
  | { readonly kind: 'menu'; readonly accountNumber: number | null }
  /** A gateway where everybody logs in as one user. */
  | { readonly kind: 'own'; readonly targets: readonly KnownTarget[] }
  /** A user of a host, with the targets that log in as that user there. */
  | { readonly kind: 'host'; readonly targets: readonly KnownTarget[] };

/** The login name of everybody's menu. */
export const menuName = 'ssh';

/** Undefined: the name stands for nothing here. */
export function meaningOf(user: string, state: CompanionState): Meaning | undefined {
  const { companion, targets } = state;
  if (companion.kind === 'host') {
    const found = targets.filter(({ login }) => login === user);
    return found.length > 0 ? { kind: 'host', targets: found } : undefined;
  }
  if (companion.gateway_login !== null) {
    return user === companion.gateway_login ? { kind: 'own', targets } : undefined;
  }
  return namesOf(state).get(user);
}

/** `100001-600001`: unlike the name it never changes. null: an older server numbers no nodes. */
export function aliasOf({ nodeNumber, gatewayUid }: Pick<KnownTarget, 'nodeNumber' | 'gatewayUid'>) {
  return nodeNumber === null ? null : `${nodeNumber}-${gatewayUid}`;
}

/** Made once per state: every login looks in it. */
const namesByState = new WeakMap<CompanionState, ReadonlyMap<string, Meaning>>();

function namesOf(state: CompanionState): ReadonlyMap<string, Meaning> {
  const made = namesByState.get(state) ?? readNames(state);
  namesByState.set(state, made);
  return made;
}

function readNames({ targets, accounts }: CompanionState): ReadonlyMap<string, Meaning> {
  const names = new Map<string, Meaning>([[menuName, { kind: 'menu', accountNumber: null }]]);
  for (const { number } of accounts) {
    if (number !== undefined) names.set(String(number), { kind: 'menu', accountNumber: number });
  }
  for (const target of targets) {
    const meaning = { kind: 'target', target } as const;
    names.set(target.targetName, meaning);
    const alias = aliasOf(target);
    if (alias !== null) names.set(alias, meaning);
  }
  return names;
}
