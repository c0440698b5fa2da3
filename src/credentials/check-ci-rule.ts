/** Whether a rule may be made: it must be able to match, and must not match whoever happens to use the same CI. Pure. */
import type { CiSystem } from '../api/ci-rules.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { requireAcceptableUrl } from '../outbound/guarded-fetch.ts';
import { ciSystems } from './ci-systems.ts';
import { hasWildcard } from './claim-pattern.ts';

export interface RuleToCheck {
  readonly system: CiSystem;
  readonly issuer: string;
  readonly audience: string;
  readonly claims: Readonly<Record<string, readonly string[]>>;
}

/** Checked by themselves, always. */
const reserved: readonly string[] = ['iss', 'aud', 'exp', 'nbf', 'iat', 'jti'];

/** Issuers at which everybody can have an account, and the system whose claims tell the accounts apart. */
const sharedIssuers: readonly (readonly [RegExp, CiSystem])[] = [
  [/^https:\/\/token\.actions\.githubusercontent\.com(\/|$)/i, 'github'],
  [/^https:\/\/token\.actions\.[^/]+\.ghe\.com(\/|$)/i, 'github'],
  [/\/_services\/token\/?$/i, 'github'],
  [/^https:\/\/gitlab\.com\/?$/i, 'gitlab'],
  [/\/api\/actions\/?$/i, 'forgejo'],
];

/** What other services' tokens are made out to when nobody chose: one of those services could use the token here. */
const othersAudiences =
  /^(https:\/\/github\.com(\/|$)|https:\/\/gitlab\.com\/?$|sigstore$|sts\.|api:\/\/AzureAD|https:\/\/kubernetes\.default)/i;

/** @throws request_malformed with everything that is wrong with it */
export function checkCiRule(
  rule: RuleToCheck,
  { allowInsecureLoopback }: { readonly allowInsecureLoopback: boolean },
): void {
  const faults = [
    ...issuerFaults(rule, allowInsecureLoopback),
    ...audienceFaults(rule),
    ...claimFaults(rule),
    ...anchorFaults(rule),
  ];
  if (faults.length > 0) throw new SallyportError('request_malformed', faults.join(' '));
}

function issuerFaults({ system, issuer }: RuleToCheck, allowInsecureLoopback: boolean): string[] {
  const { title, issuerPattern, issuerExample } = ciSystems[system];
  if (!isIssuerUrl(issuer, allowInsecureLoopback)) {
    return [`The issuer must be an https URL without query and fragment, such as ${issuerExample}.`];
  }
  if (issuerPattern && !issuerPattern.test(issuer)) {
    return [`${issuer} is no issuer of ${title}. Expected one such as ${issuerExample}.`];
  }
  const [, whose] = sharedIssuers.find(([pattern]) => pattern.test(issuer)) ?? [];
  if (whose === undefined || whose === system) return [];
  return [`${issuer} is an issuer of ${ciSystems[whose].title}. Make the rule with system ${whose}.`];
}

function isIssuerUrl(issuer: string, allowInsecureLoopback: boolean): boolean {
  if (!URL.canParse(issuer)) return false;
  const url = new URL(issuer);
  if (url.search !== '' || url.hash !== '' || /[?#]/.test(issuer)) return false;
  // What is compared with `iss` to the letter must be what is fetched: no other spelling of the same address.
  if (url.href !== issuer && url.href !== `${issuer}/`) return false;
  try {
    requireAcceptableUrl(url, allowInsecureLoopback);
    return true;
  } catch {
    return false;
  }
}

function audienceFaults({ audience, issuer }: RuleToCheck): string[] {
  if (audience !== issuer && !othersAudiences.test(audience)) return [];
  return [
    `The audience ${audience} is what other services accept too: one that sees such a token could use it here. ` +
      "Choose an audience of your own, best this server's URL.",
  ];
}

function claimFaults({ system, claims: wanted }: RuleToCheck): string[] {
  const { title, claims: known, ownClaims } = ciSystems[system];
  return Object.entries(wanted).flatMap(([claim, patterns]) => {
    if (reserved.includes(claim)) return [`The claim ${claim} is checked anyway; leave it out.`];
    const isKnown = known === null || known.includes(claim) || (ownClaims && claim.startsWith(ownClaims));
    if (!isKnown) return [`Tokens of ${title} have no claim ${claim}. They have: ${known.join(', ')}.`];
    return patterns.every((pattern) => /[^*]/.test(pattern))
      ? []
      : [`The pattern * alone for ${claim} says nothing; leave the claim out.`];
  });
}

/** At least one claim must say whose job it is, in each of its patterns: they are alternatives. */
function anchorFaults({ system, claims }: RuleToCheck): string[] {
  const { title, anchors } = ciSystems[system];
  if (system === 'other') {
    const isBound = Object.values(claims).some((patterns) => !patterns.some(hasWildcard));
    return isBound ? [] : ['At least one claim must be given without *, or the rule matches strangers.'];
  }
  const isAnchored = Object.entries(anchors).some(
    ([claim, names]) => Object.hasOwn(claims, claim) && claims[claim]?.every(names),
  );
  if (isAnchored) return [];
  return [
    `The rule would match anybody who has a token of ${title} there. Name an owner without *: ` +
      `${Object.keys(anchors).join(', ')}.`,
  ];
}
