/** What `route` tells a person who asked the machine itself for a shell, pure. Printable ASCII, one line end per line. */
import type { SallyportError } from '../errors/sallyport-error.ts';
import { reason } from '../policy/reasons.ts';
import { refusalText } from '../policy/refusal.ts';
import { isTargetName } from '../ssh/names.ts';
import type { OfferDecision } from './decide-offer.ts';
import type { KnownTarget } from './login-names.ts';
import { canJump, relayObstacle } from './ways.ts';

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
  const { allowed, refused, menu } = decision;
  const isNamed = menu || gatewayLogin !== null;
  const wanted = isNamed ? asked.trim() : (refused[0]?.target ?? user);
  if (menu && wanted === '') return menuText(decision, account);
  if (isNamed && wanted === '') return listText(decision, account);

  const target = allowed.find(({ targetName }) => !isNamed || targetName === wanted);
  if (target) return obstacleText(target, question);
  const refusal = refused.find(({ target: name }) => !isNamed || name === wanted);
  if (refusal) return refusalText({ service: refusal.target, user: account, reasons: refusal.reasons });
  // What the client sent is repeated only if it could be a name.
  const service = isTargetName(wanted) ? wanted : '(not a target name)';
  return refusalText({ service, user: account, reasons: [reason('target_unknown')] });
}

/** The person may reach the target, and the gateway can't take them on to it. */
function obstacleText(target: KnownTarget, question: RouteQuestion): string {
  const obstacle = relayObstacle(target);
  const { targetName: service, accessMode } = target;
  const why = obstacle ? refusalText({ service, user: question.account, reasons: [obstacle] }) : '';
  return accessMode === 'relay' ? why : why + jumpText(target, question);
}

function jumpText(target: KnownTarget, { gateway, user, gatewayLogin }: JumpQuestion): string {
  const { targetName, address, port, login } = target;
  return [
    'Jump through this gateway instead:',
    `  ssh ${targetName}.sallyport`,
    'or without the configuration that sally writes for that name:',
    `  ssh -J ${gatewayLogin === null ? targetName : user}@${gateway}.sallyport -p ${port} ${login}@${address}`,
    '',
  ].join('\n');
}

function menuText(decision: OfferDecision, account: string): string {
  return `The menu needs a terminal: ssh -t. Or name a target as the command.\n${listText(decision, account)}`;
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

export interface RelayFailure extends JumpQuestion {
  readonly target: KnownTarget;
  readonly account: string;
  readonly error: SallyportError;
}

type JumpQuestion = Pick<RouteQuestion, 'gateway' | 'user' | 'gatewayLogin'>;

/** The CA gave no certificate for the second leg: what it said, or that it did not. A jump needs none. */
export function relayFailureText({ target, account, error, ...question }: RelayFailure): string {
  const isAway = error.code === 'unavailable';
  const detail = isAway
    ? 'The certificate authority can not be asked now, and this gateway takes nobody on without it. Try again in a moment.'
    : error.message;
  const lines = [
    ['Error', isAway ? 'Not available right now' : 'Access denied'],
    ['Service', target.targetName],
    ['User', account],
    ['Detail', detail],
  ];
  const text = lines.map(([word, line = '']) => `${word}: ${line.replace(/[^ -~]/gu, '?')}\n`).join('');
  return canJump(target) ? text + jumpText(target, question) : text;
}
