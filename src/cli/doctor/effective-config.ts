/**
 * Whether ssh takes what our part of the config says: `ssh -G` with the person's config as it is, against `ssh -G` with
 * the same config and our line put first. ssh keeps the first value that it finds, so what differs was said before our
 * Include; what comes after it and adds to ours is the person's right. Pure.
 */
import { printable } from '../printable.ts';
import { type Finding, ok, unknown } from './finding.ts';

/** Option in small letters -> its values, as `ssh -G` prints them. */
export type SshOptions = ReadonlyMap<string, readonly string[]>;

export interface AskedHost {
  readonly host: string;
  /** As the person's ssh takes it; text: what ssh has against the config. */
  readonly theirs: SshOptions | string;
  /** The same with our line put first. */
  readonly first: SshOptions | string;
}

/** A line of the person's config before ours that says one of the options that matter. */
export interface EarlierLine {
  readonly number: number;
  readonly text: string;
  readonly option: string;
}

export interface ConfigFacts {
  readonly path: string;
  /** Whether our line is in it: at the top, further down, below a Host or Match line, or not at all. */
  readonly include: 'top' | 'later' | 'in-block' | 'absent';
  /** Whether our part is there to be included. */
  readonly isWritten: boolean;
  readonly isLoggedIn: boolean;
  /** The config that ssh reads by itself, where it is another. */
  readonly readElsewhere: string | null;
  /** Path of our known hosts. */
  readonly knownHosts: string;
  readonly hosts: readonly AskedHost[];
  readonly earlier: readonly EarlierLine[];
  /** Names of the person's own for hosts of ours, which are not met by our part. */
  readonly aliases: readonly { readonly name: string; readonly host: string; readonly isOurs: boolean }[];
}

/** What our part says, or could be kept from saying. */
export const optionsThatMatter = [
  'hostname',
  'port',
  'user',
  'proxyjump',
  'proxycommand',
  'hostkeyalias',
  'identitiesonly',
  'identityfile',
  'certificatefile',
  'userknownhostsfile',
  'globalknownhostsfile',
  'stricthostkeychecking',
  'hostkeyalgorithms',
  'preferredauthentications',
  'verifyhostkeydns',
  'updatehostkeys',
] as const;

function differing({ theirs, first }: AskedHost): string[] {
  if (typeof theirs === 'string' || typeof first === 'string') return [];
  const values = (from: SshOptions, option: string) => (from.get(option) ?? []).join('\n');
  return optionsThatMatter.filter((option) => values(theirs, option) !== values(first, option));
}

export function judgeConfig(facts: ConfigFacts): Finding[] {
  const { include, isWritten, isLoggedIn, path } = facts;
  if (include === 'absent') {
    if (!isLoggedIn && !isWritten) return [unknown('config', 'nobody has logged in here yet')];
    return [
      {
        check: 'config',
        outcome: 'problem',
        says: `${path} does not include our part, so ssh knows nothing of *.sallyport.`,
        fix: 'sally ssh-config install',
        ...(isWritten && { repair: { kind: 'include' } }),
      },
    ];
  }
  const found = [
    ...refusedBySsh(facts),
    ...judgedEffect(facts),
    ...judgedOrder(facts),
    ...judgedAliases(facts),
    ...elsewhere(facts),
  ];
  return found.length > 0 ? found : [ok('config', 'ssh takes for *.sallyport what our part says')];
}

function refusedBySsh({ hosts }: ConfigFacts): Finding[] {
  const said = hosts.map(({ theirs }) => theirs).find((theirs) => typeof theirs === 'string');
  if (said === undefined) return [];
  const [line = ''] = String(said).trim().split('\n');
  return [
    {
      check: 'config',
      outcome: 'problem',
      says: `ssh does not accept your config: ${printable(line).slice(0, 200)}`,
      fix: 'Correct that line; to see it again: ssh -G any.sallyport',
    },
  ];
}

/** Whatever the order: for a host of ours ssh goes by our known hosts, or our part is not met at all. */
function judgedEffect({ hosts, include, knownHosts }: ConfigFacts): Finding[] {
  const missed = hosts.find(
    ({ theirs }) =>
      typeof theirs !== 'string' && !theirs.get('userknownhostsfile')?.join().includes(knownHosts),
  );
  if (include !== 'top' || !missed) return [];
  return [
    {
      check: 'config',
      outcome: 'problem',
      says: `Our Include is the first line, and ssh does not go by it for ${missed.host}.`,
      fix: 'sally ssh-config install, then sally ssh-config show',
      repair: { kind: 'own-files' },
    },
  ];
}

function judgedOrder({ hosts, include, earlier, path }: ConfigFacts): Finding[] {
  const options = new Set(hosts.flatMap(differing));
  const isBelow = include === 'later' || include === 'in-block';
  if (options.size === 0) {
    if (!isBelow) return [];
    return [
      {
        check: 'config',
        outcome: 'warning',
        says: `Our Include is not the first line of ${path}: what is said before it counts for *.sallyport too.`,
        fix: 'sally ssh-config install',
        repair: { kind: 'include' },
      },
    ];
  }
  const what = [...options].map((option) => optionNames[option] ?? option).join(', ');
  const blamed = earlier.filter(({ option }) => options.has(option)).slice(0, 3);
  const where = blamed
    .map(({ number, text }) => `line ${number}: ${printable(text).slice(0, 80)}`)
    .join('; ');
  const why =
    include === 'in-block'
      ? 'our Include stands below a Host or Match line and counts only for that'
      : where === ''
        ? 'something before our Include, or in a file that is included before it, says otherwise'
        : where;
  return [
    {
      check: 'config',
      outcome: 'problem',
      says: `For *.sallyport ssh does not take our ${what} (${path}, ${why}).`,
      fix: 'sally ssh-config install (it puts our line first)',
      repair: { kind: 'include' },
    },
  ];
}

function judgedAliases({ aliases, path }: ConfigFacts): Finding[] {
  return aliases
    .filter(({ isOurs }) => !isOurs)
    .slice(0, 5)
    .map(({ name, host }) => ({
      check: 'config' as const,
      outcome: 'warning' as const,
      says: `${path} has "Host ${printable(name)}" with HostName ${printable(host)}, which our part does not know yet: ssh ${printable(name)} has neither our key nor our known hosts.`,
      fix: `sally ssh-config install; or type ssh ${printable(host)}`,
      repair: { kind: 'own-files' as const },
    }));
}

function elsewhere({ readElsewhere, path }: ConfigFacts): Finding[] {
  if (readElsewhere === null) return [];
  return [
    {
      check: 'config',
      outcome: 'warning',
      says: `HOME is another folder than passwd's: plain ssh reads ${readElsewhere}, not ${path}.`,
      fix: `ssh -F ${path} HOST, or set HOME to the folder that passwd names and log in there`,
    },
  ];
}

const optionNames: Readonly<Record<string, string>> = {
  hostname: 'HostName',
  port: 'Port',
  user: 'User',
  proxyjump: 'ProxyJump',
  proxycommand: 'ProxyCommand',
  hostkeyalias: 'HostKeyAlias',
  identitiesonly: 'IdentitiesOnly',
  userknownhostsfile: 'UserKnownHostsFile',
  globalknownhostsfile: 'GlobalKnownHostsFile',
  stricthostkeychecking: 'StrictHostKeyChecking',
  hostkeyalgorithms: 'HostKeyAlgorithms',
  preferredauthentications: 'PreferredAuthentications',
  verifyhostkeydns: 'VerifyHostKeyDNS',
  updatehostkeys: 'UpdateHostKeys',
  identityfile: 'IdentityFile',
  certificatefile: 'CertificateFile',
};
