/** The texts of our ssh config files (ssh_config(5)). Pure. */
import type { SshConfiguration } from '../api/ssh-configuration.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { certAuthorityLine } from '../ssh/known-hosts.ts';
import { parsePublicKeyLine } from '../ssh/public-key.ts';
import { profileMark } from './profiles/active-profile.ts';
import { configPath, configProgram, configWord } from './ssh-config-value.ts';
import type { StatePaths } from './state-paths.ts';

/** The only names that our config touches. A server that wants others is refused: they are somebody else's. */
export const hostSuffix = 'sallyport';

/** Certificates alone, and for every type of host key that a machine may have enrolled with; never RSA with SHA-1. */
const hostKeyAlgorithms: readonly string[] = [
  'ssh-ed25519-cert-v01@openssh.com',
  'ecdsa-sha2-nistp256-cert-v01@openssh.com',
  'ecdsa-sha2-nistp384-cert-v01@openssh.com',
  'ecdsa-sha2-nistp521-cert-v01@openssh.com',
  'rsa-sha2-512-cert-v01@openssh.com',
  'rsa-sha2-256-cert-v01@openssh.com',
];

/** The one line in the person's own config. */
export function includeLine(paths: Pick<StatePaths, 'config'>): string {
  return `Include ${configPath(paths.config)}`;
}

/** `~/.ssh/sallyport/config` */
export function sallyportConfigText(paths: StatePaths): string {
  return `# BEGIN sallyport
# Written by sally. Changes are lost; undo everything with: sally ssh-config uninstall
${profileMark(paths.profile)}
# Has the person log in again where a host wants a younger second factor. What it changes is read below.
Include ${configPath(paths.stepUpConfig)}

# Hosts without a companion, and names of your own for any of ours. Their HostName is set there, so that no Match host
# below is about them.
Include ${configPath(paths.byHand)}

# Renews the certificate if it must be, and ends with 0 for a machine alone: also where it could not be run,
# or the renewal failed, a person's certificate is offered.
Match host *.${hostSuffix} !exec ${configProgram(paths.fresh)}
  Include ${configPath(paths.agentConfig)}
  Include ${configPath(paths.personIdentity)}

# With SALLY_TOKEN or a token of a CI system in the environment ssh is a machine, and only that.
Match host *.${hostSuffix}
  Include ${whereMachineWas(paths, paths.asMachine)}

Host *.${hostSuffix}
${ownOptions(paths)}
Include ${configPath(paths.hosts)}

# What follows the Include of this file is for every host again.
Host *
# END sallyport
`;
}

/** `as-machine.conf` */
export function asMachineText(paths: Pick<StatePaths, 'isMachine' | 'machineIdentity'>): string {
  return `# Written by sally.
Match host *.${hostSuffix} exec ${configProgram(paths.isMachine)}
  Include ${configPath(paths.machineIdentity)}
`;
}

/**
 * The argument of Include for a file that ssh need not read before a machine was here: its path leads through the machine's
 * folder, and ssh passes over a path that leads nowhere. So a person's ssh starts no program for it.
 */
export function whereMachineWas(paths: Pick<StatePaths, 'folder' | 'machineOwn'>, file: string): string {
  return configPath(`${paths.machineOwn}/..${file.slice(paths.folder.length)}`);
}

/** Keys of ours and no others, for machines that a host CA of ours vouches for. */
function ownOptions(paths: Pick<StatePaths, 'knownHosts'>): string {
  return `  IdentitiesOnly yes
  AddKeysToAgent no
  PreferredAuthentications publickey
  HostKeyAlgorithms ${hostKeyAlgorithms.join(',')}
  UserKnownHostsFile ${configPath(paths.knownHosts)}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  VerifyHostKeyDNS no
  CheckHostIP no
  UpdateHostKeys no
`;
}

/** Lines of a name of the person's own, for the target that it stands for. */
export function aliasStanzas(
  { name, program, identity, target }: AliasLines,
  gateway: Gateway | undefined,
  paths: Pick<StatePaths, 'knownHosts'>,
  options: HostsOptions,
): string {
  const host = configWord(name);
  const [, ...lines] = targetStanza(target, gateway, options).split('\n');
  return [
    personLines(host, program, identity),
    `Host ${host}\n${lines.join('\n')}`,
    target.narrow_to ? '' : ownOptions(paths),
  ].join('');
}

/** What fresh-script.ts ends with decides; where ssh reads its config twice, it is asked the first time. */
export function personLines(hosts: string, program: string, identity: string): string {
  return `Match !canonical originalhost ${hosts} !exec ${program}\n  Include ${configPath(identity)}\n`;
}

export interface AliasLines {
  readonly name: string;
  /** The fast path, as the argument of `Match exec`. */
  readonly program: string;
  /** Of a person. */
  readonly identity: string;
  readonly target: Target;
}

export interface HostsOptions {
  /** The port that works here, by gateway; for the others their first one. */
  readonly ports?: ReadonlyMap<string, number>;
  /** Program that goes through a proxy where the environment names one; absent: it never did. */
  readonly proxy?: string | undefined;
}

export type Gateway = SshConfiguration['gateways'][number];
export type Target = SshConfiguration['targets'][number];

/** `hosts.conf`: how each target and gateway is reached. @throws name_refused */
export function hostsText(configuration: SshConfiguration, options: HostsOptions = {}): string {
  checkSuffix(configuration);
  const { gateways, targets } = configuration;
  return [
    '# Written by sally.\n',
    ...gateways.flatMap((gateway) => proxyStanzas(gateway, targets, options)),
    ...gateways.map((gateway) => gatewayStanza(gateway, options)),
    ...targets
      .filter((target) => !target.narrow_to)
      .map((target) => targetStanza(target, gatewayOf(configuration, target), options)),
  ].join('\n');
}

export function gatewayStanza(gateway: Gateway, options: HostsOptions): string {
  const { name, address, login } = gateway;
  const alias = sallyportHost(name);
  const port = portOf(gateway, options);
  return stanza(alias, { HostName: address, Port: port, ...(login !== null && { User: login }) }, alias);
}

/** The gateway's login name says where to: the target's own name, or the one account that its sshd has. */
export function targetStanza(target: Target, gateway: Gateway | undefined, options: HostsOptions): string {
  const { name, address, port, login } = target;
  const host = sallyportHost(name);
  const direct = { HostName: address, Port: port, User: login };
  // A host without a companion has no certificate of its own: people know its key by its address, as of any other.
  if (!gateway) return stanza(host, direct, target.narrow_to ? undefined : host);
  const user = gateway.login ?? name;
  if (isRelayed(target)) {
    const place = { HostName: gateway.address, Port: portOf(gateway, options), User: user };
    return stanza(host, place, sallyportHost(gateway.name));
  }
  const jump = `${user}@${sallyportHost(gateway.name)}`;
  return stanza(host, { ...direct, ProxyJump: jump }, host);
}

/** How many names stand in one line: ssh once read no longer ones than a thousand characters. */
const mostOfLine = 12;

/** Names as they stand behind `originalhost`, of one line each. */
export function hostLines(names: readonly string[]): string[] {
  const lines = Math.ceil(names.length / mostOfLine);
  return Array.from({ length: lines }, (_, at) =>
    names
      .slice(at * mostOfLine, (at + 1) * mostOfLine)
      .map(sallyportHost)
      .join(','),
  );
}

/** Address and port are written out: nothing that the person or a link has typed as a host name gets to a shell. */
function proxyStanzas(gateway: Gateway, targets: readonly Target[], options: HostsOptions): string[] {
  const { proxy } = options;
  if (proxy === undefined) return [];
  const relayed = targets.filter((target) => target.gateway === gateway.name && isRelayed(target));
  const place = `${configWord(gateway.address)} ${configWord(portOf(gateway, options))}`;
  const program = configProgram(proxy);
  return hostLines([gateway, ...relayed].map(({ name }) => name)).map(
    (some) => `Match originalhost ${some} exec ${program}\n  ProxyCommand ${program.slice(1, -1)} ${place}\n`,
  );
}

function isRelayed({ access }: Target): boolean {
  return access === 'relay';
}

function portOf({ name, port, ports = [] }: Gateway, options: HostsOptions): number {
  const works = options.ports?.get(name);
  return works !== undefined && ports.includes(works) ? works : port;
}

/** How a machine of ours is called in ssh. */
export function sallyportHost(name: string): string {
  return `${configWord(name)}.${hostSuffix}`;
}

/** `known_hosts`: whom we believe that a machine is the one it says. @throws the key's faults */
export function knownHostsText(configuration: SshConfiguration): string {
  checkSuffix(configuration);
  return configuration.host_authorities
    .map((line) => certAuthorityLine([`*.${hostSuffix}`], parsePublicKeyLine(line), 'sallyport host CA'))
    .map((line) => `${line}\n`)
    .join('');
}

function stanza(
  host: string,
  options: Readonly<Record<string, string | number>>,
  alias: string | undefined,
): string {
  const lines = Object.entries({ ...options, ...(alias !== undefined && { HostKeyAlias: alias }) }).map(
    ([option, value]) => `  ${option} ${configWord(value)}\n`,
  );
  return `Host ${configWord(host)}\n${lines.join('')}`;
}

export function gatewayOf({ gateways }: SshConfiguration, target: Target): Gateway | undefined {
  const gateway = gateways.find(({ name }) => name === target.gateway);
  if (gateway || target.gateway === null) return gateway;
  throw new SallyportError(
    'name_refused',
    'The server named a target without its gateway. Nothing was written.',
  );
}

function checkSuffix({ suffix }: SshConfiguration): void {
  if (suffix === hostSuffix) return;
  throw new SallyportError(
    'name_refused',
    `The server wants its hosts to end in another name than .${hostSuffix}. Nothing was written.`,
  );
}
