/**
 * Why somebody is refused: a closed set of codes, each with what the person is told and the command that helps. A code
 * is stable: clients and tests compare it.
 */
import type { Role } from './facts.ts';

/** What a client needs for a stronger login, in the words of OpenID Connect and RFC 9470. */
export interface LoginParameters {
  readonly amr?: readonly string[];
  readonly max_age?: number;
}

export interface Reason {
  readonly code: ReasonCode;
  readonly message: string;
  readonly parameters?: LoginParameters;
  /** What the person can run to get in; null if it is for others to act. */
  readonly command: string | null;
}

export type Reasons = readonly [Reason, ...Reason[]];

interface ReasonRow<About extends readonly unknown[]> {
  readonly message: (...about: About) => string;
  readonly command: string | null;
}

/** What asks for a second factor. */
type MfaLevel = 'organization' | 'environment';

const logInAgain = 'sally login';
const hardwareLogin = 'sally login --key sk';

/** In the order of importance: the first that applies is the first that is told. */
export const reasonTable = {
  /** The name is unknown, or the person has no role there: both get the same words, so that names stay private. */
  target_unknown: {
    message: () =>
      'There is no target of this name that you have a role on. Check the name, or ask an admin for a role.',
    command: null,
  },
  /** The same of an environment, for a certificate that is narrowed to it. */
  environment_unknown: {
    message: () =>
      'There is no environment of this name that you have a role on. Check the name, or ask an admin for a role.',
    command: null,
  },
  /** The same of a machine, for a certificate that is good there alone. */
  machine_unknown: {
    message: () =>
      'There is no enrolled machine with this host key that leads to a target of yours. Certificates for one machine alone are for enrolled ones.',
    command: null,
  },
  account_disabled: {
    message: (organization: string) =>
      `The account is disabled. Ask an admin of the organization ${organization}.`,
    command: null,
  },
  account_name_invalid: {
    message: () =>
      'The name of the account cannot stand in a certificate. Ask an admin to correct it; it must look like alice@example.com.',
    command: null,
  },
  session_ended: { message: () => 'The login session was ended. Log in again.', command: logInAgain },
  session_expired: { message: () => 'The login session has expired. Log in again.', command: logInAgain },
  session_ending: {
    message: (seconds: number) =>
      `The login session ends in ${duration(seconds)}, too soon for a certificate. Log in again.`,
    command: logInAgain,
  },
  machines_refused: {
    message: (organization: string) =>
      `The organization ${organization} gives no certificates to API tokens and CI jobs. An admin can allow them.`,
    command: null,
  },
  source_refused: {
    message: (address: string) =>
      `Requests from ${address} get no certificate: it is outside the networks that the credential may be used from.`,
    command: null,
  },
  person_needed: {
    message: () =>
      'One-time SSH codes and registered keys are for people who have logged in, not for API tokens and CI jobs.',
    command: logInAgain,
  },
  ssh_codes_refused: {
    message: (organization: string) =>
      `The organization ${organization} does not allow one-time SSH codes. An admin can allow them.`,
    command: null,
  },
  registered_keys_refused: {
    message: (organization: string) =>
      `The organization ${organization} does not allow registered keys, only certificates. An admin can allow them.`,
    command: null,
  },
  ssh_disabled: {
    message: (level: string, name: string) =>
      `SSH is switched off for the ${level} ${name}. An admin can switch it on.`,
    command: null,
  },
  /** What the organization asks of keys. */
  hardware_key_required: {
    message: (organization: string) =>
      `The organization ${organization} gives people certificates only for keys in a security key; yours is in a file.`,
    command: hardwareLogin,
  },
  hardware_key_unverified: {
    message: (organization: string) =>
      `The organization ${organization} wants security keys to ask for a PIN or a finger at each use; yours does not.`,
    command: hardwareLogin,
  },
  hardware_key_unattested: {
    message: (organization: string) =>
      `The organization ${organization} wants the maker of a security key to vouch for it; nobody it knows vouches for yours.`,
    command: hardwareLogin,
  },
  hardware_key_model: {
    message: (organization: string) =>
      `The organization ${organization} does not accept security keys of this model. Use another one.`,
    command: hardwareLogin,
  },
  role_insufficient: {
    message: (needed: Role, held: Role) =>
      `SSH here needs the role ${needed}; yours is ${held}. Ask an admin for the role.`,
    command: null,
  },
  person_required: {
    message: (environment: string) =>
      `The environment ${environment} lets only people in, not API tokens and CI jobs. Log in as a person.`,
    command: null,
  },
  no_instance: {
    message: (name: string) =>
      `The app ${name} has no instance now. Wait until one is reported, or ask whoever deploys the app.`,
    command: null,
  },
  instance_needed: {
    message: (name: string, instances: readonly string[]) =>
      `The app ${name} has several instances. Name one: ${listed(instances)}.`,
    command: null,
  },
  instance_starting: {
    message: (name: string) => `The instance ${name} is starting. Try again in a moment.`,
    command: null,
  },
  instance_stopped: {
    message: (name: string) => `The instance ${name} is stopped. It must be started first.`,
    command: null,
  },
  instance_paused: {
    message: (name: string) => `The instance ${name} is paused. It must be resumed first.`,
    command: null,
  },
  instance_inactive: {
    message: (name: string) =>
      `The instance ${name} is inactive: it is kept and serves nothing. It must be activated first.`,
    command: null,
  },
  relay_off: {
    message: (environment: string) =>
      `The environment ${environment} lets nobody through a gateway that sees the session. Jump through it instead.`,
    command: null,
  },
  host_missing: {
    message: () =>
      'No enrolled host serves this target, so no gateway can log in to it for you. Jump instead.',
    command: null,
  },
  machine_stale: {
    message: (seconds: number) =>
      `This machine has not heard from the certificate authority for ${duration(seconds)}, longer than its owner allows, and lets nobody in. Tell its owner; another gateway may work.`,
    command: null,
  },
  machine_clock: {
    message: (seconds: number) =>
      `The clock of this machine is wrong by ${duration(seconds)}, so it lets nobody in. Tell its owner; another gateway may work.`,
    command: null,
  },
  mfa_impossible: {
    message: (environment: string) =>
      `The environment ${environment} wants a second factor, which API tokens and CI jobs never have.`,
    command: null,
  },
  mfa_missing: {
    message: (level: MfaLevel, name: string) =>
      `The ${level} ${name} wants a login with a second factor; this login had none.`,
    command: mfaLogin(),
  },
  mfa_too_old: {
    message: (level: MfaLevel, name: string, maxAgeSeconds: number) =>
      `The ${level} ${name} wants a second factor of the last ${duration(maxAgeSeconds)}; yours is older.`,
    command: mfaLogin(),
  },
} as const satisfies Record<string, ReasonRow<never>>;

export type ReasonCode = keyof typeof reasonTable;

/** What each row's message names. */
type About = { [Code in ReasonCode]: Parameters<(typeof reasonTable)[Code]['message']> };
const rows: { [Code in ReasonCode]: ReasonRow<About[Code]> } = reasonTable;

/** A reason with its row's words. `about` is what the row's message names. */
export function reason<Code extends ReasonCode>(code: Code, ...about: About[Code]): Reason {
  const { message, command } = rows[code];
  return { code, message: message(...about), command };
}

/** The one command that helps against all the reasons together, or null if at least one is for others to act on. */
export function helpfulCommand(reasons: Reasons): string | null {
  if (!reasons.every(({ command }) => command !== null)) return null;
  if (!reasons.some(isAboutMfa)) return (reasons.find(isAboutKey) ?? reasons[0]).command;
  const login = mfaLogin(smallestMaxAge(reasons));
  return reasons.some(isAboutKey) ? `${login} --key sk` : login;
}

/** A login brings a second factor, and a fresh one, only if it is asked to. */
export function mfaLogin(maxAgeSeconds?: number): string {
  return `sally login --mfa${maxAgeSeconds === undefined ? '' : ` --max-age ${maxAgeSeconds}`}`;
}

/**
 * What the login must bring, in the words of RFC 9470 section 3, if a second factor is all that is wanting; undefined if
 * anything else stands in the way.
 */
export function stepUpFor(reasons: Reasons): { acr_values: string; max_age?: number } | undefined {
  if (!reasons.every(isAboutMfa)) return undefined;
  const maxAge = smallestMaxAge(reasons);
  return { acr_values: 'mfa', ...(maxAge === undefined ? {} : { max_age: maxAge }) };
}

/** Whether the key is what stands in the way, so that the login itself goes on. */
export function isKeyRefused(reasons: Reasons): boolean {
  return reasons.some(isAboutKey) && reasons.every((one) => isAboutKey(one) || isAboutMfa(one));
}

function isAboutKey({ code }: Reason): boolean {
  return code.startsWith('hardware_key_');
}

function isAboutMfa({ code }: Reason): boolean {
  return code === 'mfa_missing' || code === 'mfa_too_old';
}

function smallestMaxAge(reasons: Reasons): number | undefined {
  const ages = reasons.flatMap(({ parameters }) => parameters?.max_age ?? []);
  return ages.length > 0 ? Math.min(...ages) : undefined;
}

const mostListed = 10;

function listed(names: readonly string[]): string {
  const more = names.length - mostListed;
  return `${names.slice(0, mostListed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** "15 minutes": the largest unit that says it in whole numbers. */
function duration(seconds: number): string {
  const [size, unit] =
    seconds % 3600 === 0 ? [3600, 'hour'] : seconds % 60 === 0 ? [60, 'minute'] : [1, 'second'];
  const count = seconds / size;
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
