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
  /** The compiled program that asks for sshd (programs/ask.c); absent or null: sh and curl do. */
  readonly askProgram?: string | null;
  readonly version: OpensshVersion;
  /** The longest that sshd waits for an answer. */
  readonly answerSeconds?: number;
  /** Where sshd listens, the first one first. Absent or empty: where the machine's own lines say. */
  readonly ports?: readonly number[];
  /** Whether somebody may forward ports to their own side (-R): the answers say who and which. */
  readonly remoteForwarding?: boolean;
  /** The same of an agent (-A). */
  readonly agentForwarding?: boolean;
  /** Whether anybody may come with a registered key: the companion is asked about plain keys too. */
  readonly registeredKeys?: boolean;
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
  const { role, whole, ports = whole ? [whole.port] : [] } = options;
  const sections: readonly (readonly [comment: string, lines: readonly Line[]])[] = [
    ...(whole || ports.length > 0 ? [['Where sshd listens', listenLines(ports, whole)] as const] : []),
    ['Who is trusted, and who no longer is: kept current by the companion', trustLines(options)],
    ['Nobody gets in with anything but a certificate', authenticationLines(options)],
    ['What a connection may do at most', forwardingLines(options)],
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

function listenLines(ports: readonly number[], whole: SshdConfigurationOptions['whole']): Line[] {
  if (ports.some((port) => !Number.isInteger(port) || port < 1 || port > 65_535)) {
    throw new SallyportError('settings_invalid', `sshd can't listen on the ports ${ports.join(', ')}.`);
  }
  const portLines = [...new Set(ports)].map((port): Line => ['Port', String(port)]);
  if (whole === undefined) return portLines;
  return [
    ...portLines,
    ['ListenAddress', whole.address],
    ['PidFile', quoted(whole.pidFile)],
    ['UsePAM', whole.usePam ? 'yes' : 'no'],
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
  const { principalsUser, rootLogin = 'no', keepAuthorizedKeys = false, registeredKeys = false } = options;
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
    ['AuthorizedPrincipalsCommand', askCommand(options, '/principals')],
    ['AuthorizedPrincipalsCommandUser', principalsUser],
    // Behind the line above, never before it: up to OpenSSH 9.x the two share a check (servconf.c, parse_command), by
    // which a keys command before it silently removes it, and a second one of its kind replaces it.
    ...(registeredKeys
      ? ([
          ['AuthorizedKeysCommand', askCommand(options, '/keys')],
          ['AuthorizedKeysCommandUser', principalsUser],
        ] as const)
      : keepAuthorizedKeys
        ? []
        : ([
            ['AuthorizedKeysCommand', 'none'],
            ['AuthorizedKeysCommandUser', 'nobody'],
          ] as const)),
    // Where files of keys stay in force, root's would be with it.
    ...(keepAuthorizedKeys ? [] : ([['PermitRootLogin', rootLogin]] as const)),
    ['PermitEmptyPasswords', 'no'],
    ['PermitUserRC', 'no'],
    ['PermitUserEnvironment', 'no'],
  ];
}

/**
 * The longest that a login waits for the companion; sshd itself would wait for ever, and asks twice. A companion that is
 * not there refuses at once; one that answers does so in a few milliseconds. The rest is for machines that have too much to
 * do: of five hundred logins in the same instant on two processors none waited 0.1 s where the companion goes before sshd
 * (commands.ts), and some 1.5 s where it does not. The compiled program counts less of such times (programs/question.h).
 */
const longestAnswerSeconds = 2;

/**
 * sshd starts the program with these very words (sshd_config(5), TOKENS): no shell reads the user's name, which is theirs
 * to choose. Where there is no compiler sh names the connection (its parent is the monitor) and curl asks; the name is a
 * parameter there, never shell text. Without a whole answer in time both fail, and sshd denies.
 */
function askCommand(options: SshdConfigurationOptions, route: '/principals' | '/keys'): string {
  const { paths, curl, askProgram, answerSeconds = longestAnswerSeconds } = options;
  checkSocketPath(paths.principalsSocket);
  if (askProgram) {
    checkSocketPath(askProgram);
    const milliseconds = Math.round(answerSeconds * 1_000);
    return `${askProgram} ${paths.principalsSocket} ${route} ${milliseconds} user=%u key=%k`;
  }
  checkSocketPath(curl);
  const ask = [
    `exec ${curl} -q -sf --max-time ${answerSeconds} --unix-socket ${paths.principalsSocket}`,
    '--data-urlencode "ppid=$PPID" --data-urlencode "user=$1" --data-urlencode "key=$2"',
    `http://gateway${route}`,
  ].join(' ');
  return `/bin/sh -c '${ask}' sh %u %k`;
}

function forwardingLines(options: SshdConfigurationOptions): Line[] {
  const { role, remoteForwarding = false, agentForwarding = false } = options;
  return [
    // permitopen and permitlisten in the companion's answer say where to.
    ['AllowTcpForwarding', remoteForwarding ? 'yes' : 'local'],
    ['AllowStreamLocalForwarding', 'no'],
    ['AllowAgentForwarding', agentForwarding ? 'yes' : 'no'],
    ['GatewayPorts', 'no'],
    ['PermitTunnel', 'no'],
    ['X11Forwarding', 'no'],
    ...(role === 'gateway' ? ([['PermitTTY', 'yes']] as const) : []),
  ];
}

function loadLines({ version, penaltyExemptions = [] }: SshdConfigurationOptions): Line[] {
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
    ...penaltyLines(version, penaltyExemptions),
  ];
}

/**
 * sshd 9.8 and later shuts out the address of who fails often, and with it everybody behind that address: four tries with a
 * revoked certificate block an office. Nobody can guess a certificate, so here a failure costs nothing; crashes, and
 * connections that are held open without a login, still do.
 */
function penaltyLines(version: OpensshVersion, exemptions: readonly string[]): Line[] {
  const isAtLeast = (major: number, minor: number) =>
    version.major > major || (version.major === major && version.minor >= minor);
  if (!isAtLeast(9, 8)) return [];
  const free = ['authfail:0', 'noauth:0', ...(isAtLeast(10, 3) ? ['invaliduser:0'] : [])];
  return [
    ['PerSourcePenalties', free.join(' ')],
    ...(exemptions.length > 0 ? ([['PerSourcePenaltyExemptList', exemptions.join(',')]] as const) : []),
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
