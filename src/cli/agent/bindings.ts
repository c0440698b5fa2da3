/**
 * Where a client of the agent is (session-bind@openssh.com, OpenSSH PROTOCOL.agent section 1): the machines that a request
 * has come by, each proven by its host key, and the one that is logged in to. ssh says it since 8.9, before it asks for
 * anything; who says nothing counts as a program of this machine.
 */
import { isSallyportError } from '../../errors/sallyport-error.ts';
import type { LoginRequest } from '../../ssh/login-request.ts';
import { verifySignature } from '../../ssh/signature.ts';
import type { ForwardRule } from './forward-rules.ts';
import { mayForward } from './forward-rules.ts';
import { type KnownMachine, plainHostKey } from './known-machines.ts';
import type { SessionBind } from './messages.ts';

/** As many as OpenSSH's agent remembers. */
const mostBindings = 16;

export interface Bindings {
  readonly chain: readonly SessionBind[];
  /** Something false was said: nothing more is believed. */
  readonly isSpoiled: boolean;
}

export const unbound: Bindings = { chain: [], isSpoiled: false };

/** The bindings with one more, or spoiled where it is not true or does not fit to those of before. */
export function bindTo({ chain, isSpoiled }: Bindings, bind: SessionBind): Bindings {
  if (!isSpoiled && isProven(bind) && fits(chain, bind)) {
    const isKnown = chain.some(({ sessionId }) => sessionId.equals(bind.sessionId));
    return { chain: isKnown ? chain : [...chain, bind], isSpoiled: false };
  }
  return { chain, isSpoiled: true };
}

function isProven({ hostKey, sessionId, signature }: SessionBind): boolean {
  try {
    verifySignature({ publicKey: plainHostKey(hostKey), bytes: sessionId, signature });
    return true;
  } catch (error) {
    if (isSallyportError(error)) return false;
    throw error;
  }
}

function fits(chain: readonly SessionBind[], bind: SessionBind): boolean {
  const same = chain.find(({ sessionId }) => sessionId.equals(bind.sessionId));
  if (same) return same.hostKey.equals(bind.hostKey) && same.isForwarding === bind.isForwarding;
  // After a binding for a login there is nothing more to come.
  return chain.length < mostBindings && chain.every(({ isForwarding }) => isForwarding);
}

/** Whether an agent of another machine asks. */
export function isForwarded({ chain }: Bindings): boolean {
  return chain.some(({ isForwarding }) => isForwarding);
}

/** What may be offered: everything that is the person's here, what is for one machine, or nothing of ours. */
export type Place =
  | { readonly kind: 'here' }
  | { readonly kind: 'machine'; readonly machine: KnownMachine }
  | { readonly kind: 'elsewhere' };

/** @param machineOf which of ours a host key is */
export function placeOf(
  { chain, isSpoiled }: Bindings,
  machineOf: (hostKey: Buffer) => KnownMachine | undefined,
  rules: readonly ForwardRule[],
): Place {
  if (isSpoiled) return { kind: 'elsewhere' };
  const last = chain.at(-1);
  if (last === undefined) return { kind: 'here' };
  if (last.isForwarding) return { kind: 'elsewhere' };
  const machines: KnownMachine[] = [];
  for (const { hostKey } of chain) {
    const machine = machineOf(hostKey);
    if (machine === undefined) return { kind: 'elsewhere' };
    machines.push(machine);
  }
  const machine = machines.at(-1);
  const isAllowed = machines.slice(1).every((to, at) => mayForward(rules, machines[at], to));
  return machine && isAllowed ? { kind: 'machine', machine } : { kind: 'elsewhere' };
}

/** Whether a login is the one that the client has said it is about. */
export function isOfLogin({ chain }: Bindings, { sessionId, hostKey }: LoginRequest): boolean {
  const last = chain.at(-1);
  if (last === undefined) return true;
  return last.sessionId.equals(sessionId) && (hostKey === undefined || hostKey.equals(last.hostKey));
}
