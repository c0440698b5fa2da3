/**
 * What an offered certificate may do on this machine, pure: facts of the installed state in, decision out. The names
 * follow sshd: the user is who the client wants to log in as.
 */
import type { CompanionState } from '../api/companions.ts';
import { type AccessDecision, decideAccess, unknownTarget } from '../policy/decide-access.ts';
import { decideHopArrival } from '../policy/decide-hop.ts';
import type { AccessRuleFacts, TargetFacts } from '../policy/facts.ts';
import type { Reason, Reasons } from '../policy/reasons.ts';
import { rulesFor } from '../policy/roles.ts';
import { type KnownTarget, type Meaning, meaningOf } from './login-names.ts';
import { type Offer, sessionOf } from './offered-certificate.ts';

/** What decisions are made from: the installed state, and the sessions that are known to have ended. */
export interface Facts {
  readonly state: CompanionState;
  readonly endedSessions: ReadonlySet<string>;
  readonly nowSeconds: number;
  /** Why this machine lets nobody in now, whoever it is. */
  readonly nobody?: Reason;
  /** Targets of this machine's own loopback may be jumped to: where everything runs on one machine. */
  readonly opensLoopback?: boolean;
}

export interface Refused {
  readonly target: string;
  readonly reasons: Reasons;
}

export interface OfferDecision {
  /** Targets that this connection may go to. */
  readonly allowed: readonly KnownTarget[];
  /** Targets that the person may see but not enter, and why. */
  readonly refused: readonly Refused[];
  /** The name is that of the person's menu: answered also where both lists are empty, and no way is opened by itself. */
  readonly menu: boolean;
}

const nothing: OfferDecision = { allowed: [], refused: [], menu: false };

/** Both lists empty and no menu: no answer at all, as for a name that does not exist. */
export function decideOffer(offer: Offer, user: string, facts: Facts): OfferDecision {
  const account = accountOf(offer, facts.state);
  if (account === undefined || facts.endedSessions.has(offer.sessionId)) return nothing;
  const meaning = meaningOf(user, facts.state);
  if (meaning === undefined || isOthersMenu(meaning, account)) return nothing;
  const decided = targetsOf(meaning, facts.state).map((target) => ({
    target,
    decision: judge(offer, account, target, facts, 'start'),
  }));
  const { nobody } = facts;
  const allowed = decided.filter(({ decision }) => decision.allowed && !nobody).map(({ target }) => target);
  const refused = decided.flatMap(({ target, decision }) => refusalOf(target, decision, nobody));
  return { allowed, refused, menu: meaning.kind === 'menu' };
}

/** What keeps everybody out is told to those only who would have got in. */
function refusalOf({ targetName }: KnownTarget, decision: AccessDecision, nobody?: Reason): Refused[] {
  if (decision.allowed) return nobody ? [{ target: targetName, reasons: [nobody] }] : [];
  return decision.visible ? [{ target: targetName, reasons: decision.reasons }] : [];
}

/** Why a connection that was allowed to a target may not go on to it; undefined: it may. */
export function whyNotOn(
  offer: Offer,
  target: PermittedTarget,
  facts: Facts,
): 'access_denied' | 'mfa_too_old' | undefined {
  const account = accountOf(offer, facts.state);
  // A target that moved is another machine: the way to the old address must close.
  const now = targetNamed(target.name, facts.state);
  if (account === undefined || now === undefined) return 'access_denied';
  if (now.address !== target.address || now.port !== target.port) return 'access_denied';
  const decision = judge(offer, account, now, facts, 'running');
  if (decision.allowed) return undefined;
  return decision.reasons.every(({ code }) => code === 'mfa_too_old') ? 'mfa_too_old' : 'access_denied';
}

/**
 * Whether the person would not get in any more, whatever has become of the target: what somebody left running to put
 * another version in place goes on while the one before is stopped.
 */
export function hasLostAccess(offer: Offer, target: PermittedTarget, facts: Facts): boolean {
  const account = accountOf(offer, facts.state);
  const now = targetNamed(target.name, facts.state);
  if (account === undefined || now === undefined) return false;
  const decision = judge(offer, account, { ...now, state: 'running' }, facts, 'running');
  return !decision.allowed && !decision.reasons.every(({ code }) => code === 'mfa_too_old');
}

export function targetNamed(name: string, state: CompanionState): KnownTarget | undefined {
  return indexOf(state).targets.get(name);
}

export interface PermittedTarget {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** An account as a companion knows it. */
type KnownAccount = CompanionState['accounts'][number];

export function accountOf(offer: Offer, state: CompanionState): KnownAccount | undefined {
  const account = indexOf(state).accounts.get(offer.account);
  return account?.organization === offer.organization ? account : undefined;
}

interface StateIndex {
  readonly accounts: ReadonlyMap<string, KnownAccount>;
  readonly targets: ReadonlyMap<string, KnownTarget>;
  /** By account, each when it is asked for: of a thousand rules few are about one person. */
  readonly rules: Map<string, readonly AccessRuleFacts[]>;
}

/** Made once per state: every connection is judged again every second. */
const indexes = new WeakMap<CompanionState, StateIndex>();

function indexOf(state: CompanionState): StateIndex {
  const made = indexes.get(state) ?? {
    accounts: new Map(state.accounts.map((account) => [account.name, account])),
    targets: new Map(state.targets.map((target) => [target.targetName, target])),
    rules: new Map(),
  };
  indexes.set(state, made);
  return made;
}

function rulesAbout(account: KnownAccount, state: CompanionState): readonly AccessRuleFacts[] {
  const { rules } = indexOf(state);
  const known = rules.get(account.name) ?? rulesFor(state.access_rules, account);
  rules.set(account.name, known);
  return known;
}

/** An account's number is the way to its own menu alone. */
function isOthersMenu(meaning: Meaning, { number }: KnownAccount): boolean {
  return meaning.kind === 'menu' && meaning.accountNumber !== null && meaning.accountNumber !== number;
}

function targetsOf(meaning: Meaning, { targets }: CompanionState): readonly KnownTarget[] {
  if (meaning.kind === 'menu') return targets;
  return meaning.kind === 'target' ? [meaning.target] : meaning.targets;
}

function judge(
  offer: Offer,
  account: KnownAccount,
  target: TargetFacts,
  { state, endedSessions, nowSeconds }: Facts,
  phase: 'start' | 'running',
): AccessDecision {
  // People of one organization never learn of another's targets, whatever a rule says.
  if (account.organization !== target.organization) return unknownTarget;
  const decide = offer.mode === 'hop' ? decideHopArrival : decideAccess;
  return decide({
    account,
    session: sessionOf(offer, phase, endedSessions.has(offer.sessionId)),
    target,
    rules: rulesAbout(account, state),
    nowSeconds,
    phase,
  });
}
