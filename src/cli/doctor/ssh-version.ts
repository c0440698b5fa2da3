/** Which ssh is there, and whether it is new enough. Pure. */
import { installHint } from '../missing-program.ts';
import { printable } from '../printable.ts';
import { type Finding, ok, unknown } from './finding.ts';

export interface SshFacts {
  /** What `ssh -V` says; undefined: there is no ssh. */
  readonly version: string | undefined;
  readonly platform: string;
}

/** Include is of 7.3 (ssh_config(5)): without it ssh never reads our part of the config. */
const least = [7, 3] as const;
/** UpdateHostKeys of 8.5 and session-bind@openssh.com of 8.9 (PROTOCOL.agent) are a gain, not a need. */
const bindsSessions = [8, 9] as const;

export function judgeSsh({ version, platform }: SshFacts): Finding {
  const hint = installHint('ssh', platform) ?? '';
  if (version === undefined) {
    return {
      check: 'ssh',
      outcome: 'problem',
      says: 'There is no ssh in PATH, so nothing can be reached.',
      fix: `Install OpenSSH: ${hint}`,
    };
  }
  const text = printable(version.trim().split('\n')[0] ?? '');
  const [, name = text, ...numbers] =
    /^(OpenSSH[A-Za-z_]*_([0-9]{1,3})\.([0-9]{1,3})[^ ,]*)/.exec(text) ?? [];
  const [major, minor] = numbers.map(Number);
  if (major === undefined || minor === undefined) {
    return unknown('ssh', `ssh calls itself "${text.slice(0, 60)}". Sallyport is tried with OpenSSH.`);
  }
  const atLeast = ([one, two]: readonly [number, number]) => major > one || (major === one && minor >= two);
  if (!atLeast(least)) {
    return {
      check: 'ssh',
      outcome: 'problem',
      says: `${name} is too old: ${least.join('.')} is the first whose config has Include, which our part comes in by.`,
      fix: `Install a newer OpenSSH: ${hint}`,
    };
  }
  const note = atLeast(bindsSessions)
    ? ''
    : '; from 8.9 on an agent is told which host a key is for, which sally agent goes by';
  return ok('ssh', `${name}${note}`);
}
