/**
 * The sshd configuration of a gateway or a host (sshd_config(5)), pure: a whole file for an sshd of our own, or a
 * drop-in that is read before the machine's own lines, where the first value of a keyword wins. Every path is checked:
 * what can't be quoted safely is refused.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import { type CompanionPaths, checkSocketPath } from './paths.ts';
import type { OpensshVersion } from './programs.ts';

export interface SshdConfigurationOptions {
  readonly role: 'gateway' | 'host';
  readonly paths: Pick<
    CompanionPaths,
    'userAuthorities' | 'revokedKeys' | 'hostKey' | 'hostCertificate' | 'principalsSocket'
  >;
  /** The user that may ask principals.sock. */
  readonly principalsUser: string;
  readonly curl: string;
  readonly version: OpensshVersion;
  /** The longest that sshd waits for an answer. */
  readonly answerSeconds?: number;
  /** Networks that sshd's penalties (9.8 and later) spare: a refused certificate must not lock an office out. */
  readonly penaltyExemptions?: readonly string[];
  readonly rootLogin?: 'no' | 'prohibit-password';
  /** The machine's own host keys, for clients that know them: naming one key would end the others' use. */
  readonly otherHostKeys?: readonly string[];
  /** Hosts only: leave authorized_keys files in force beside the certificates. */
  readonly keepAuthorizedKeys?: boolean;
  /** Present: a whole file. Absent: a drop-in. */
  readonly whole?: {
    readonly address: string;
    readonly port: number;
    readonly pidFile: string;
    /** Only an sshd of root can use PAM. */
    readonly usePam: boolean;
  };
}

type Line = readonly [keyword: string, value: string];

export function sshdConfiguration(options: SshdConfigurationOptions): string {
  const { role, whole } = options;
  const sections: readonly (readonly [comment: string, lines: readonly Line[]])[] = [
    ...(whole ? [['Where sshd listens', listenLines(whole)] as const] : []),
    ['Who is trusted, and who no longer is: kept current by the companion', trustLines(options)],
    ['Nobody gets in with anything but a certificate', authenticationLines(options)],
    ['What a connection may do at most', role === 'gateway' ? gatewayLines : hostLines],
    ['Many people at once, behind few addresses', loadLines(options)],
  ];
  const header = `# Written by sallyport for this ${role}; changes here are lost. Undo with: sallyport ${role} uninstall\n`;
  return (
    header +
    sections
      .map(([comment, lines]) => `\n# ${comment}\n${lines.map((line) => `${line.join(' ')}\n`).join('')}`)
      .join('')
  );
}

function listenLines({
  address,
  port,
  pidFile,
  usePam,
}: NonNullable<SshdConfigurationOptions['whole']>): Line[] {
  return [
    ['Port', String(port)],
    ['ListenAddress', address],
    ['PidFile', quoted(pidFile)],
    ['UsePAM', usePam ? 'yes' : 'no'],
    // So that sftp arrives where a forced command can answer it.
    ['Subsystem', 'sftp internal-sftp'],
    ['PrintMotd', 'no'],
    ['PrintLastLog', 'no'],
  ];
}

function trustLines({ paths, otherHostKeys = [] }: SshdConfigurationOptions): Line[] {
  return [
    ['TrustedUserCAKeys', quoted(paths.userAuthorities)],
    ['RevokedKeys', quoted(paths.revokedKeys)],
    ['HostKey', quoted(paths.hostKey)],
    ['HostCertificate', quoted(paths.hostCertificate)],
    ...otherHostKeys.map((key): Line => ['HostKey', quoted(key)]),
  ];
}

function authenticationLines(options: SshdConfigurationOptions): Line[] {
  const { principalsUser, rootLogin = 'no', keepAuthorizedKeys = false } = options;
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(principalsUser)) {
    throw new SallyportError(
      'settings_invalid',
      `${JSON.stringify(principalsUser)} can't be the AuthorizedPrincipalsCommandUser: it is not a login name.`,
    );
  }
  return [
    ['AuthenticationMethods', 'publickey'],
    ['PubkeyAuthentication', 'yes'],
    ['PasswordAuthentication', 'no'],
    ['KbdInteractiveAuthentication', 'no'],
    ['HostbasedAuthentication', 'no'],
    ['GSSAPIAuthentication', 'no'],
    ...(keepAuthorizedKeys ? [] : ([['AuthorizedKeysFile', 'none']] as const)),
    ['AuthorizedPrincipalsFile', 'none'],
    ['AuthorizedPrincipalsCommand', principalsCommand(options)],
    ['AuthorizedPrincipalsCommandUser', principalsUser],
    // Behind the line above, never before it: up to OpenSSH 9.x the two share a check (servconf.c, parse_command), by
    // which a keys command before it silently removes it, and a second one of its kind replaces it.
    ...(keepAuthorizedKeys
      ? []
      : ([
          ['AuthorizedKeysCommand', 'none'],
          ['AuthorizedKeysCommandUser', 'nobody'],
        ] as const)),
    ['PermitRootLogin', rootLogin],
    ['PermitEmptyPasswords', 'no'],
    ['PermitUserRC', 'no'],
    ['PermitUserEnvironment', 'no'],
  ];
}

/**
 * No file of ours, and no program that is slow to start: sh names the connection (its parent is the monitor), curl asks.
 * Without an answer in time curl fails, and sshd denies.
 */
function principalsCommand({ paths, curl, answerSeconds = 0.2 }: SshdConfigurationOptions): string {
  checkSocketPath(paths.principalsSocket);
  checkSocketPath(curl);
  const ask = [
    `exec ${curl} -q -sf --max-time ${answerSeconds} --unix-socket ${paths.principalsSocket}`,
    '--data-urlencode "ppid=$PPID" --data-urlencode "user=$1" --data-urlencode "key=$2"',
    'http://gateway/principals',
  ].join(' ');
  return `/bin/sh -c '${ask}' sh %u %k`;
}

const gatewayLines: readonly Line[] = [
  // permitopen in the companion's answer says where to.
  ['AllowTcpForwarding', 'local'],
  ['AllowStreamLocalForwarding', 'no'],
  ['AllowAgentForwarding', 'no'],
  ['GatewayPorts', 'no'],
  ['PermitTunnel', 'no'],
  ['X11Forwarding', 'no'],
  // Only for the words of a refusal.
  ['PermitTTY', 'yes'],
];

const hostLines: readonly Line[] = [
  ['AllowTcpForwarding', 'local'],
  ['AllowStreamLocalForwarding', 'no'],
  ['AllowAgentForwarding', 'no'],
  ['GatewayPorts', 'no'],
  ['PermitTunnel', 'no'],
  ['X11Forwarding', 'no'],
];

function loadLines({ version, penaltyExemptions = [] }: SshdConfigurationOptions): Line[] {
  const knowsPenalties = version.major > 9 || (version.major === 9 && version.minor >= 8);
  for (const network of penaltyExemptions) {
    if (!/^[0-9a-fA-F.:]+(\/[0-9]{1,3})?$/.test(network)) {
      throw new SallyportError(
        'settings_invalid',
        `${JSON.stringify(network)} is not a network such as 10.0.0.0/8.`,
      );
    }
  }
  return [
    ['MaxStartups', '300:30:600'],
    ['LoginGraceTime', '30'],
    // Names the person and the session of every certificate.
    ['LogLevel', 'VERBOSE'],
    ['UseDNS', 'no'],
    ...(knowsPenalties && penaltyExemptions.length > 0
      ? ([['PerSourcePenaltyExemptList', penaltyExemptions.join(',')]] as const)
      : []),
  ];
}

/** A path as one word. sshd takes double quotes; what would need escaping inside is refused. */
function quoted(path: string): string {
  if (!path.startsWith('/') || /["'\\%#\p{C}]/u.test(path)) {
    throw new SallyportError(
      'settings_invalid',
      `${JSON.stringify(path)} can't stand in an sshd configuration: use an absolute path without quotes, backslashes, % and #.`,
    );
  }
  return path.includes(' ') ? `"${path}"` : path;
}
