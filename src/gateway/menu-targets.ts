/** What a menu is made of, pure: every target that the person may see here, and why one can't be chosen. */
import { decideApp } from '../policy/decide-app.ts';
import { accountOf, type Facts, type OfferDecision, targetNamed } from './decide-offer.ts';
import { aliasOf, type KnownTarget } from './login-names.ts';
import type { Offer } from './offered-certificate.ts';
import { relayObstacle } from './ways.ts';

export interface MenuTarget {
  /** Of an app without any instance, what their names would begin with. */
  readonly name: string;
  /** The numeric alias, which never changes; empty: there is none. */
  readonly id: string;
  readonly organization: string;
  readonly project: string;
  readonly environment: string;
  readonly environmentKind: string;
  readonly app: string;
  /** Its name in its app; the app's own name where it is the only one. */
  readonly instance: string;
  readonly state: string;
  /** What it is for, or that it is a worker or a task; may be empty. */
  readonly role: string;
  /** Why it can't be chosen now; null: it can. */
  readonly obstacle: string | null;
  /** An app of which no instance is there. */
  readonly isApp: boolean;
}

export function menuTargets({ allowed, refused }: OfferDecision, facts: Facts, offer: Offer): MenuTarget[] {
  const { state } = facts;
  const open = allowed.map((target) => menuTarget(target, relayObstacle(target)?.message ?? null));
  const closed = refused.flatMap(({ target: name, reasons }) => {
    const target = targetNamed(name, state);
    return target ? menuTarget(target, reasons.map(({ message }) => message).join(' ')) : [];
  });
  return [...open, ...closed, ...emptyApps(offer, facts)];
}

/** Apps without any instance, for whoever may see them. */
function emptyApps(offer: Offer, { state, nowSeconds }: Facts): MenuTarget[] {
  const account = accountOf(offer, state);
  if (account === undefined) return [];
  return (state.empty_apps ?? []).flatMap((found) => {
    const { name, app } = found;
    const rules = state.access_rules;
    const question = { account, session: offer, app: { ...found, instances: [] }, rules, nowSeconds };
    const { visible, reasons } = decideApp(question);
    const [{ message: obstacle }] = reasons;
    const shown = { ...found, id: '', instance: app, state: 'no instance', role: '' };
    return visible ? [{ ...shown, name, obstacle, isApp: true }] : [];
  });
}

function menuTarget(target: KnownTarget, obstacle: string | null): MenuTarget {
  const { organization, project, environment, environmentKind, app } = target;
  const kind = target.instanceKind === 'instance' ? '' : target.instanceKind;
  return {
    name: target.targetName,
    id: aliasOf(target) ?? '',
    organization,
    project,
    environment,
    environmentKind,
    app,
    instance: target.instance ?? app,
    state: target.state,
    role: target.instanceRole ?? kind,
    obstacle,
    isApp: false,
  };
}
