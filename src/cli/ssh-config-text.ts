/** The texts of our ssh config files (ssh_config(5)). Pure. */
import type { SshConfiguration } from '../api/ssh-configuration.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import { certAuthorityLine } from '../ssh/known-hosts.ts';
import { parsePublicKeyLine } from '../ssh/public-key.ts';
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
  return `# Written by sally. Changes are lost; undo everything with: sally ssh-config uninstall

# Renews the certificate if it must be. The Host line below ends the Match, so that a certificate
# which is still good is offered even where the renewal failed.
Match host *.${hostSuffix} exec ${configProgram(paths.fresh)}

# With SALLY_TOKEN or a token of a CI system in the environment ssh is a machine, and only that.
Match host *.${hostSuffix} exec ${configProgram(paths.isMachine)}
  Include ${configPath(paths.machineIdentity)}
Match host *.${hostSuffix} !exec ${configProgram(paths.isMachine)}
  Include ${configPath(paths.personIdentity)}

Host *.${hostSuffix}
  IdentitiesOnly yes
  AddKeysToAgent no
  PreferredAuthentications publickey
  HostKeyAlgorithms ${hostKeyAlgorithms.join(',')}
  UserKnownHostsFile ${configPath(paths.knownHosts)}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  VerifyHostKeyDNS no
  CheckHostIP no
  UpdateHostKeys no

Include ${configPath(paths.hosts)}

# What follows the Include of this file is for every host again.
Host *
`;
}

/** `hosts.conf`: how each target and gateway is reached. @throws name_refused */
export function hostsText(configuration: SshConfiguration): string {
  checkSuffix(configuration);
  const gateways = configuration.gateways.map(({ name, address, port, login }) =>
    stanza(name, { HostName: address, Port: port, ...(login !== null && { User: login }) }),
  );
  const targets = configuration.targets.map(({ name, gateway, address, port, login }) =>
    stanza(name, {
      HostName: address,
      Port: port,
      User: login,
      ProxyJump: jump(configuration, name, gateway),
    }),
  );
  return ['# Written by sally.\n', ...gateways, ...targets].join('\n');
}

/** `known_hosts`: whom we believe that a machine is the one it says. @throws the key's faults */
export function knownHostsText(configuration: SshConfiguration): string {
  checkSuffix(configuration);
  return configuration.host_authorities
    .map((line) => certAuthorityLine([`*.${hostSuffix}`], parsePublicKeyLine(line), 'sallyport host CA'))
    .map((line) => `${line}\n`)
    .join('');
}

function stanza(name: string, options: Readonly<Record<string, string | number>>): string {
  const host = configWord(`${configWord(name)}.${hostSuffix}`);
  const lines = Object.entries({ ...options, HostKeyAlias: host }).map(
    ([option, value]) => `  ${option} ${configWord(value)}\n`,
  );
  return `Host ${host}\n${lines.join('')}`;
}

/** The gateway's login name says where to: the target's own name, or the one account that its sshd has. */
function jump({ gateways }: SshConfiguration, target: string, gatewayName: string): string {
  const gateway = gateways.find(({ name }) => name === gatewayName);
  if (!gateway) {
    throw new SallyportError(
      'name_refused',
      'The server named a target without its gateway. Nothing was written.',
    );
  }
  return `${gateway.login ?? target}@${gateway.name}.${hostSuffix}`;
}

function checkSuffix({ suffix }: SshConfiguration): void {
  if (suffix === hostSuffix) return;
  throw new SallyportError(
    'name_refused',
    `The server wants its hosts to end in another name than .${hostSuffix}. Nothing was written.`,
  );
}
