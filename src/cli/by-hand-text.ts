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
  type Target,
  targetStanza,
} from './ssh-config-text.ts';
import { configPath, configProgram } from './ssh-config-value.ts';
import type { StatePaths } from './state-paths.ts';

type Paths = Pick<
  StatePaths,
  'fresh' | 'isMachine' | 'knownHosts' | 'machineOwn' | 'personOwn' | 'sshFolder'
>;

/** @throws name_refused, settings_invalid */
export function byHandText(
  configuration: SshConfiguration,
  paths: Paths,
  options: HostsOptions = {},
  aliases: readonly Alias[] = [],
): string {
  const targets = configuration.targets.flatMap((target) =>
    target.narrow_to ? [{ target, narrowTo: target.narrow_to }] : [],
  );
  const byEnvironment = Map.groupBy(
    targets,
    ({ narrowTo: { project, environment } }) => `${project}/${environment}`,
  );
  return [
    '# Written by sally.\n',
    ...[...byEnvironment.values()].flatMap((some) =>
      some[0] ? identityStanzas(some[0].narrowTo, some, paths) : [],
    ),
    ...targets.map(({ target }) => {
      const place = targetStanza(target, gatewayOf(configuration, target), options);
      return place + hostKeyLines(paths);
    }),
    ...aliases.flatMap(({ name, target: wanted }) => {
      const target = configuration.targets.find((one) => one.name === wanted);
      return target ? [aliasText(name, target, { configuration, paths, options })] : [];
    }),
  ].join('\n');
}

function identityStanzas(
  narrowTo: EnvironmentName,
  some: readonly { readonly target: Target }[],
  { fresh, isMachine, machineOwn, personOwn }: Paths,
): string[] {
  const { project, environment } = narrowTo;
  const program = configProgram(fresh, `${project}/${environment}`);
  const asMachine = configProgram(isMachine);
  const include = (own: string) =>
    `  Include ${configPath(join(narrowedFolder({ own }, narrowTo), 'identity.conf'))}\n`;
  return hostLines(some.map(({ target }) => target.name)).map((hosts) =>
    [
      `Match originalhost ${hosts} exec ${program}\n`,
      `Match originalhost ${hosts} exec ${asMachine}\n${include(machineOwn)}`,
      `Match originalhost ${hosts} !exec ${asMachine}\n${include(personOwn)}`,
    ].join(''),
  );
}

function aliasText(
  name: string,
  target: Target,
  about: { configuration: SshConfiguration; paths: Paths; options: HostsOptions },
): string {
  const { configuration, paths, options } = about;
  const { narrow_to: narrowTo } = target;
  const identityOf = (own: string) =>
    join(narrowTo ? narrowedFolder({ own }, narrowTo) : own, 'identity.conf');
  const words = narrowTo ? [`${narrowTo.project}/${narrowTo.environment}`] : [];
  const lines = {
    name,
    target,
    program: configProgram(paths.fresh, ...words),
    identities: { machine: identityOf(paths.machineOwn), person: identityOf(paths.personOwn) },
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
