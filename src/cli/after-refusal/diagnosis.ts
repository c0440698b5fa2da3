/** What a person reads after ssh has failed: one line that says what it was, and the next command. Pure. */
import type { HostKeyFault, SshFailure, Unreachable } from './read-refusal.ts';

/** What is known beside what ssh said. */
export interface Circumstances {
  /** The target's name, if it was one. */
  readonly target?: string | undefined;
  /** What the server says of the target; absent: it was not asked, or does not answer. */
  readonly verdict?: Verdict | undefined;
  /** Whether the server was asked and gave no answer. */
  readonly serverIsAway?: boolean;
}

export interface Verdict {
  readonly allowed: boolean;
  /** Code of the reason that matters most. */
  readonly code: string | undefined;
  readonly message: string | undefined;
}

/** Without "sally: ", without a line end. */
export function diagnosisLine(failure: SshFailure, circumstances: Circumstances = {}): string {
  const { target, verdict, serverIsAway = false } = circumstances;
  const explain = target === undefined ? 'sally doctor' : `sally explain ${target}`;
  switch (failure.kind) {
    case 'second-factor':
      return secondFactorLine(failure.maxAge);
    case 'session-over':
      return 'session expired, run: sally login';
    case 'denied':
      return `access denied, run: ${explain}`;
    case 'unavailable':
      return 'the gateway cannot ask the certificate authority now; try again in a minute, or run: sally doctor';
    case 'key-refused':
      if (verdict?.allowed === false) return refusedLine(verdict, explain);
      if (serverIsAway) {
        return 'your certificate was not accepted, and the server does not answer; run: sally doctor';
      }
      return 'your certificate was not accepted although you are let in, run: sally cert ensure --force';
    case 'unreachable':
      return `${placeWords(failure)} ${unreachableWords[failure.why]}, run: sally doctor`;
    case 'turned-away':
      return 'the machine ended the connection before the login; try again in a minute, or run: sally doctor';
    case 'host-key':
      return hostKeyLines[failure.why];
    case 'jump-refused':
      if (verdict?.allowed === false) return refusedLine(verdict, explain);
      return `the gateway did not open the way to ${target ?? 'the target'}, run: ${explain}`;
    case 'target-unreachable':
      return `${target ?? 'the target'} ${unreachableWords[failure.why]} behind the gateway, run: ${explain}`;
    case 'port-taken':
      return `local port${failure.port === undefined ? '' : ` ${failure.port}`} is in use here; name another one before the first colon of -L`;
    case 'connection-lost':
      return 'the connection was lost; run the command again';
    case 'configuration':
      return 'your ssh config is not as ssh wants it, run: sally doctor --fix';
    case 'key-file':
      return 'ssh does not take a key file that others may read, run: sally doctor --fix';
  }
}

/** The fast path says the same (fresh-script.ts, step-up-script.ts). */
export function secondFactorLine(maxAge: number | undefined): string {
  return maxAge === undefined
    ? 'a second factor is needed, run: sally login --mfa'
    : `a fresh second factor is needed, run: sally login --mfa --max-age ${maxAge}`;
}

function refusedLine({ message }: Verdict, explain: string): string {
  return `${message ?? 'access denied.'} More: ${explain}`;
}

const unreachableWords: Readonly<Record<Unreachable, string>> = {
  refused: 'refuses connections',
  timeout: 'does not answer',
  'no-route': 'cannot be reached from this network',
  name: 'has no address that is known here',
  other: 'cannot be reached',
};

function placeWords({ place }: Extract<SshFailure, { kind: 'unreachable' }>): string {
  return place ? `${place.address} port ${place.port}` : 'the machine';
}

const nothingSent = 'nothing was sent to it';
const hostKeyLines: Readonly<Record<HostKeyFault, string>> = {
  changed: `the machine is not the one that it was, ${nothingSent}; run: sally ssh-config install`,
  unknown: `nobody that you trust vouches for the machine, ${nothingSent}; run: sally ssh-config install`,
  'not-yet-valid': `the machine's certificate is not valid yet by your clock, ${nothingSent}; set the clock, or run: sally doctor`,
  expired: `the machine's certificate is over by your clock, ${nothingSent}; set the clock, or run: sally doctor`,
  'other-name': `the machine is another one than you asked for, ${nothingSent}; run: sally ssh-config install`,
  'no-certificate': `the machine shows no certificate of a kind that is safe, ${nothingSent}; run: sally doctor`,
  revoked: `the machine's key was revoked, ${nothingSent}; ask its owner, or run: sally doctor`,
};
