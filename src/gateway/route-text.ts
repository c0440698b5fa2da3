/** What `route` tells a person who asked the machine itself for a shell, pure. Printable ASCII, one line end per line. */
import type { TargetFacts } from '../policy/facts.ts';
import { reason } from '../policy/reasons.ts';
import { refusalText } from '../policy/refusal.ts';
import { isTargetName } from '../ssh/names.ts';
import type { OfferDecision } from './decide-offer.ts';

export interface RouteQuestion {
  readonly decision: OfferDecision;
  readonly account: string;
  /** The login name. */
  readonly user: string;
  /** Everybody logs in as this user and names the target; null: the login name is the target. */
  readonly gatewayLogin: string | null;
  /** The gateway's own name in the generated ssh configuration. */
  readonly gateway: string;
  /** What the client sent as its command; never trusted. */
  readonly asked: string;
}

export function routeText(question: RouteQuestion): string {
  const { decision, account, user, gatewayLogin, asked } = question;
  const { allowed, refused } = decision;
  const wanted = gatewayLogin === null ? (refused[0]?.target ?? user) : asked.trim();
  if (gatewayLogin !== null && wanted === '') return listText(decision, account);

  const target = allowed.find(({ targetName }) => gatewayLogin === null || targetName === wanted);
  if (target) return hintText(target, question);
  const refusal = refused.find(({ target: name }) => gatewayLogin === null || name === wanted);
  if (refusal) return refusalText({ service: refusal.target, user: account, reasons: refusal.reasons });
  // What the client sent is repeated only if it could be a name.
  const service = isTargetName(wanted) ? wanted : '(not a target name)';
  return refusalText({ service, user: account, reasons: [reason('target_unknown')] });
}

function hintText(target: TargetFacts, { gateway, user }: RouteQuestion): string {
  const { targetName, address, port, login } = target;
  return [
    `You may reach ${targetName}. This gateway opens no shell itself; go through it:`,
    `  ssh ${targetName}.sallyport`,
    'or without the configuration that sally writes for that name:',
    `  ssh -J ${user}@${gateway}.sallyport -p ${port} ${login}@${address}`,
    '',
  ].join('\n');
}

function listText({ allowed, refused }: OfferDecision, account: string): string {
  const reachable = allowed.map(({ targetName }) => `  ssh ${targetName}.sallyport`);
  const closed = refused.map(({ target, reasons }) => `  ${target}: ${reasons[0].message}`);
  return [
    ...(reachable.length > 0 ? [`Targets that ${account} may reach:`, ...reachable] : []),
    ...(closed.length > 0 ? ['Not now:', ...closed] : []),
    '',
  ].join('\n');
}
