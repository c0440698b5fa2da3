/**
 * What the listener for one-time codes is made of (sshd_config(5), pam.d(5), pam_exec(8)), pure: an sshd of its own, which
 * knows no keys and forwards nothing, and a PAM service of its own, which asks the companion and nobody else. The
 * machine's own sshd and its PAM service stay as they are.
 */
import { SallyportError } from '../errors/sallyport-error.ts';
import { type CodePaths, codeService } from './code-paths.ts';
import { type CompanionPaths, checkSocketPath } from './paths.ts';
import type { OpensshVersion } from './programs.ts';

export interface CodeListenerOptions {
  readonly paths: Pick<CompanionPaths, 'hostKey' | 'hostCertificate'>;
  readonly codes: Pick<CodePaths, 'pidFile'>;
  /** The forced command as the sessions of sshd see it. */
  readonly routeCode: string;
  readonly port: number;
  /** Absent: every address of the machine. */
  readonly address?: string;
  readonly version: OpensshVersion;
}

export const usualCodePort = 2223;

export function codeListenerConfiguration(options: CodeListenerOptions): string {
  const { paths, codes, routeCode, port, address, version } = options;
  for (const path of [paths.hostKey, paths.hostCertificate, codes.pidFile, routeCode]) checkSocketPath(path);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new SallyportError('settings_invalid', `${port} is not a port from 1 to 65535.`);
  }
  const lines = [
    ['Port', String(port)],
    ...(address === undefined ? [] : [['ListenAddress', address]]),
    ['PidFile', codes.pidFile],
    ['HostKey', paths.hostKey],
    ['HostCertificate', paths.hostCertificate],
    // A code, through PAM, and nothing else.
    ['UsePAM', 'yes'],
    ...(hasServiceName(version) ? [['PAMServiceName', codeService]] : []),
    ['AuthenticationMethods', 'keyboard-interactive'],
    ['KbdInteractiveAuthentication', 'yes'],
    ['PubkeyAuthentication', 'no'],
    ['PasswordAuthentication', 'no'],
    ['HostbasedAuthentication', 'no'],
    ['GSSAPIAuthentication', 'no'],
    ['PermitRootLogin', 'no'],
    ['PermitEmptyPasswords', 'no'],
    ['PermitUserRC', 'no'],
    ['PermitUserEnvironment', 'no'],
    ['MaxAuthTries', '3'],
    // Whoever is let in, by whatever: the session is what the companion says.
    ['ForceCommand', `exec /bin/sh ${routeCode}`],
    ['DisableForwarding', 'yes'],
    ['PermitTTY', 'yes'],
    // So that sftp arrives where a forced command can answer it.
    ['Subsystem', 'sftp internal-sftp'],
    ['PrintMotd', 'no'],
    ['PrintLastLog', 'no'],
    ['MaxStartups', '50:30:100'],
    // A code is looked for and pasted.
    ['LoginGraceTime', '120'],
    ['LogLevel', 'VERBOSE'],
    ['UseDNS', 'no'],
  ];
  return `${header}\n${lines.map((line) => `${line.join(' ')}\n`).join('')}`;
}

/** OpenSSH 9.8: before that the service is called as the program is. */
function hasServiceName({ major, minor }: OpensshVersion): boolean {
  return major > 9 || (major === 9 && minor >= 8);
}

/** @param hook as the listener sees it */
export function pamService(hook: string): string {
  checkSocketPath(hook);
  return `${header}
# "requisite": without a yes from the companion there is nothing after it. The second line only answers pam_setcred(3).
auth requisite pam_exec.so quiet expose_authtok /bin/sh ${hook}
auth required pam_permit.so
account required pam_permit.so
session required pam_permit.so
password required pam_deny.so
`;
}

/** Its connections must outlive it, and the companion must not hold them in a sandbox of its own: a unit of its own. */
export function codeListenerUnit({
  program,
  configuration,
}: Pick<CodePaths, 'program' | 'configuration'>): string {
  for (const path of [program, configuration]) checkSocketPath(path);
  return `${header}
[Unit]
Description=Sallyport: logins with one-time codes
After=network.target

[Service]
ExecStartPre=/bin/mkdir -p -m 0755 /run/sshd
ExecStart=${program} -D -f ${configuration}
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process
Restart=on-failure

[Install]
WantedBy=multi-user.target
`;
}

const header =
  '# Written by sallyport for one-time codes; changes here are lost. Undo with: sallyport gateway uninstall\n';
