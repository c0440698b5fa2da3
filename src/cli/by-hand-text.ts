/**
 * `by-hand.conf`: targets at hosts without a companion. Such a host goes by the roles that a certificate names, and only
 * one that is narrowed to an environment names any: so each environment has an identity of its own, and the same fast
 * path renews it. It is read before everything else of ours, because ssh keeps the first value that it finds; so are
 * names of the person's own for targets of any kind. Pure.
 */
import { join } from 'node:path';
import type { EnvironmentName } from '../api/certificates.ts';
import type { SshConfiguration } from '../api/ssh-configuration.ts';
import type { Alias } from './aliases.ts';
import { narrowedFolder } from './narrowed-paths.ts';
import {
  aliasStanzas,
  gatewayOf,
  type HostsOptions,
  hostLines,
  personLines,
  type Target,
  targetStanza,
  whereMachineWas,
} from './ssh-config-text.ts';
import { configPath, configProgram, configWord } from './ssh-config-value.ts';
import type { StatePaths } from './state-paths.ts';

type Paths = Pick<
  StatePaths,
  'byHandMachine' | 'folder' | 'fresh' | 'knownHosts' | 'machineOwn' | 'personOwn' | 'sshFolder'
>;

/** @throws name_refused, settings_invalid */
export function byHandText(
  configuration: SshConfiguration,
  paths: Paths,
  options: HostsOptions = {},
  aliases: readonly Alias[] = [],
): string {
  const targets = narrowedTargets(configuration);
  const named = targetsOf(aliases, configuration);
  const isAny = targets.length + named.length > 0;
  return [
    '# Written by sally.\n',
    ...byEnvironment(targets).flatMap(({ narrowTo, hosts }) =>
      hosts.map((some) =>
        personLines(some, programFor(narrowTo, paths), identityOf(narrowTo, paths.personOwn)),
      ),
    ),
    ...targets.map(({ target }) => {
      const place = targetStanza(target, gatewayOf(configuration, target), options);
      return place + hostKeyLines(paths);
    }),
    ...named.map(({ name, target }) => aliasText(name, target, { configuration, paths, options })),
    ...(isAny ? [`Host *\n  Include ${whereMachineWas(paths, paths.byHandMachine)}\n`] : []),
  ].join('\n');
}

/** `by-hand-machine.conf`: the same hosts and names for a machine. @throws settings_invalid */
export function byHandMachineText(
  configuration: SshConfiguration,
  paths: Pick<StatePaths, 'isMachine' | 'machineOwn'>,
  aliases: readonly Alias[] = [],
): string {
  const lines = (hosts: string, narrowTo: EnvironmentName | undefined) =>
    `Match originalhost ${hosts} exec ${configProgram(paths.isMachine)}\n  Include ${configPath(identityOf(narrowTo, paths.machineOwn))}\n`;
  return [
    '# Written by sally.\n',
    ...byEnvironment(narrowedTargets(configuration)).flatMap(({ narrowTo, hosts }) =>
      hosts.map((some) => lines(some, narrowTo)),
    ),
    ...targetsOf(aliases, configuration).map(({ name, target }) => lines(configWord(name), target.narrow_to)),
  ].join('\n');
}

interface NarrowedTarget {
  readonly target: Target;
  readonly narrowTo: EnvironmentName;
}

function narrowedTargets({ targets }: SshConfiguration): NarrowedTarget[] {
  return targets.flatMap((target) => (target.narrow_to ? [{ target, narrowTo: target.narrow_to }] : []));
}

/** Each environment with the words that stand behind `originalhost`. */
function byEnvironment(targets: readonly NarrowedTarget[]): { narrowTo: EnvironmentName; hosts: string[] }[] {
  const groups = Map.groupBy(targets, ({ narrowTo }) => wordOf(narrowTo));
  return [...groups.values()].flatMap((some) =>
    some[0] ? [{ narrowTo: some[0].narrowTo, hosts: hostLines(some.map(({ target }) => target.name)) }] : [],
  );
}

function targetsOf(
  aliases: readonly Alias[],
  { targets }: SshConfiguration,
): { name: string; target: Target }[] {
  return aliases.flatMap(({ name, target: wanted }) => {
    const target = targets.find((one) => one.name === wanted);
    return target ? [{ name, target }] : [];
  });
}

function wordOf({ project, environment }: EnvironmentName): string {
  return `${configWord(project)}/${configWord(environment)}`;
}

function programFor(narrowTo: EnvironmentName | undefined, { fresh }: Pick<Paths, 'fresh'>): string {
  return narrowTo ? configProgram(fresh, wordOf(narrowTo)) : configProgram(fresh);
}

function identityOf(narrowTo: EnvironmentName | undefined, own: string): string {
  return join(narrowTo ? narrowedFolder({ own }, narrowTo) : own, 'identity.conf');
}

function aliasText(
  name: string,
  target: Target,
  about: { configuration: SshConfiguration; paths: Paths; options: HostsOptions },
): string {
  const { configuration, paths, options } = about;
  const { narrow_to: narrowTo } = target;
  const lines = {
    name,
    target,
    program: programFor(narrowTo, paths),
    identity: identityOf(narrowTo, paths.personOwn),
  };
  const text = aliasStanzas(lines, gatewayOf(configuration, target), paths, options);
  return narrowTo ? text + hostKeyLines(paths) : text;
}

/**
 * No key but ours, also before the first certificate is there. Its own key is one that the person or the machine's
 * administrator has written down; ssh goes on asking nobody about an unknown one. The plus sign changes nothing in ssh's
 * own list of algorithms, and keeps the later one, of certificates alone, from being taken.
 */
function hostKeyLines({ sshFolder }: Paths): string {
  const known = ['known_hosts', 'known_hosts2'].map((name) => configPath(join(sshFolder, name)));
  return [
    '  IdentityFile none',
    '  IdentitiesOnly yes',
    '  AddKeysToAgent no',
    '  PreferredAuthentications publickey',
    '  StrictHostKeyChecking yes',
    `  UserKnownHostsFile ${known.join(' ')}`,
    '  GlobalKnownHostsFile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2',
    '  HostKeyAlgorithms +ssh-ed25519',
    '',
  ].join('\n');
}
