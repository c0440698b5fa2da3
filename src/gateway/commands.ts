/** `sallyport gateway ...` and `sallyport host ...`: the same commands for both kinds of machine. */
import { readdirSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import type { Command } from 'commander';
import { SallyportError } from '../errors/sallyport-error.ts';
import { usualCodePort } from './code-listener-configuration.ts';
import { createCompanion } from './companion.ts';
import { companionStatus } from './companion-status.ts';
import { requireEnrolment } from './enrolment.ts';
import { fingerprintLines } from './fingerprints.ts';
import { generatedPrincipalsUser, install } from './install.ts';
import { installedCodes } from './install-codes.ts';
import { readInstallation } from './installation.ts';
import { createLeaseHook } from './lease-hook.ts';
import type { Log } from './log.ts';
import { type Machine, pathsOf, realMachine } from './machine.ts';
import { installationFile, sshdFilesOf } from './machine-sshd.ts';
import { findUser } from './machine-users.ts';
import { readProcess } from './proc.ts';
import { findPrograms, isProgram } from './programs.ts';
import { readEnrolmentToken } from './read-enrolment-token.ts';
import { installedSessionProgram } from './session-program.ts';
import { staleChoices, type WhenStale } from './trusted-age.ts';
import { uninstall } from './uninstall.ts';

export interface CompanionEnvironment {
  readonly clock: () => Date;
  /** One line for the person. */
  readonly tell: (line: string) => void;
  readonly log: Log;
  /** All of standard input. */
  readonly readInput: () => Promise<string>;
  /** Aborted when the program is asked to end. */
  readonly stopped: AbortSignal;
  /** The file that runs, where the companion is one file. */
  readonly ownProgram?: string;
  /** What the program's exit status will be. */
  readonly setExitStatus: (status: number) => void;
}

type Kind = 'gateway' | 'host';

interface InstallFlags {
  readonly server: string;
  readonly tokenFile?: string;
  readonly keepAuthorizedKeys?: boolean;
  readonly penaltyExemption?: readonly string[];
  /** true: Debian's own. */
  readonly withHostKey?: string | true;
  readonly name?: string;
  readonly askProgram?: string;
  readonly sessionProgram?: string;
  readonly acceptExceptions?: boolean;
  readonly codes?: boolean;
  readonly codesPort?: string;
}

interface RunFlags {
  readonly failClosed?: boolean;
  readonly maximumStaleness?: string;
  readonly whenStale?: string;
  readonly leaseHook?: string;
  readonly reportInstances?: boolean;
}

/** Of util-linux. */
const logger = '/usr/bin/logger';
const defaultHostKey = '/etc/ssh/ssh_host_ed25519_key';
/** A day: certificates end within the hour, so after that only registered keys and open connections are at stake. */
const defaultStalenessSeconds = 86_400;

const about: Readonly<Record<Kind, string>> = {
  gateway: 'make this machine a gateway: people reach targets through its sshd',
  host: 'make this machine a host: people log in to its sshd',
};

export function registerCompanionCommands(program: Command, environment: CompanionEnvironment): void {
  for (const kind of ['gateway', 'host'] as const) {
    const group = program.command(kind).description(about[kind]);
    const installing = group
      .command('install')
      .description('enrol this machine and configure its sshd; tells what it writes, and can be undone')
      .requiredOption('--server <url>', 'the Sallyport server, such as https://ssh.example.com')
      .option(
        '--token-file <file>',
        'file with the enrolment token; without it the token is read from standard input',
      )
      .option(
        '--with-host-key [file]',
        `enrol by this host key, whose fingerprint was registered, and keep using it (default ${defaultHostKey})`,
      )
      .option('--name <name>', 'with --with-host-key: the machine that the key was registered for')
      .option(
        '--ask-program <file>',
        'the compiled programs/ask.c; without it it is built where a compiler is',
      )
      .option('--accept-exceptions', "what the machine's own Match blocks overrule now is wanted")
      .option(
        '--penalty-exemption <network...>',
        "networks that sshd's penalties spare (OpenSSH 9.8 and later)",
      );
    if (kind === 'gateway') {
      installing
        .option(
          '--codes',
          'take one-time codes as well, by a listener of its own (docs/without-certificates.md)',
        )
        .option('--codes-port <port>', `where that listens (default ${usualCodePort})`);
    }
    if (kind === 'host')
      installing
        .option('--keep-authorized-keys', 'leave authorized_keys files in force too')
        .option('--session-program <file>', 'the compiled programs/session.c, likewise');
    installing.action((flags: InstallFlags) => runInstall(kind, flags, environment));
    const running = group
      .command('run')
      .description('run the companion: keeps sshd current, answers for it, ends connections')
      .option(
        '--fail-closed',
        'end connections that the companion does not know; let nobody in while the clock is wrong',
      )
      .option(
        '--maximum-staleness <seconds>',
        `how long the last state counts while the CA is not heard; "unlimited" (default ${defaultStalenessSeconds})`,
      )
      .option(
        '--when-stale <what>',
        'what happens then: deny (nobody gets in), strict (sshd trusts no CA either), keep (default deny)',
      )
      .option(
        '--lease-hook <program>',
        "opens and closes this machine's firewall for leases (docs/leases.md)",
      )
      .action((flags: RunFlags) => runCompanion(kind, flags, environment));
    if (kind === 'host') {
      running.option('--report-instances', 'tell the CA that the instances here run, and at a stop that not');
    }
    group
      .command('status')
      .description('show what is installed and in force; exit status 1 if something needs attention')
      .action(() => runStatus(kind, environment));
    group
      .command('fingerprint')
      .description(
        "show by which keys this machine's sshd is known, to compare them with what the server publishes",
      )
      .action(async () => {
        for (const line of await fingerprintLines(realMachine(kind))) environment.tell(line);
      });
    group
      .command('uninstall')
      .description('undo the installation')
      .action(() => {
        requireRoot();
        return uninstall({ kind, machine: realMachine(kind), tell: environment.tell });
      });
  }
}

async function runInstall(kind: Kind, flags: InstallFlags, environment: CompanionEnvironment): Promise<void> {
  const programs = findPrograms();
  requireRoot();
  const { tokenFile, keepAuthorizedKeys = false, penaltyExemption = [] } = flags;
  await install({
    kind,
    machine: realMachine(kind),
    programs,
    serverUrl: flags.server,
    token: () => readEnrolmentToken(tokenFile, environment.readInput),
    hostKey: hostKeyOf(flags),
    keepAuthorizedKeys,
    penaltyExemptions: penaltyExemption,
    askProgram: flags.askProgram,
    sessionProgram: flags.sessionProgram,
    ownProgram: environment.ownProgram,
    acceptExceptions: flags.acceptExceptions ?? false,
    ...(flags.codes || flags.codesPort !== undefined ? { codes: { port: portOf(flags.codesPort) } } : {}),
    clock: environment.clock,
    log: environment.log,
    tell: environment.tell,
  });
}

/** @throws settings_invalid */
function hostKeyOf({ withHostKey, name }: InstallFlags): { file: string; name: string } | undefined {
  if (withHostKey === undefined && name === undefined) return undefined;
  if (withHostKey === undefined || name === undefined) {
    throw new SallyportError(
      'settings_invalid',
      '--with-host-key and --name go together: anybody can see a host key and register it for a machine of their own, so say which machine this is.',
    );
  }
  return { file: withHostKey === true ? defaultHostKey : withHostKey, name };
}

async function runCompanion(kind: Kind, flags: RunFlags, environment: CompanionEnvironment): Promise<void> {
  const machine = realMachine(kind);
  answerBeforeOthers();
  const enrolment = await requireEnrolment(pathsOf(machine).enrolment);
  const programs = findPrograms();
  const installation = await readInstallation(installationFile(machine));
  const codes = installedCodes(machine);
  const companion = createCompanion({
    paths: pathsOf(machine, enrolment),
    enrolment,
    programs,
    // An older version recorded too little; installing again does.
    ...(installation?.settings
      ? { sshdFiles: await sshdFilesOf(machine, programs, enrolment, installation.settings) }
      : {}),
    askProgram: installation?.settings?.askProgram ?? null,
    sessionProgram: installedSessionProgram(machine),
    sshdPidFile: machine.sshdPidFile,
    clock: environment.clock,
    log: environment.log,
    failClosed: flags.failClosed ?? false,
    maximumStalenessSeconds: secondsOf(flags.maximumStaleness),
    whenStale: whenStaleOf(flags.whenStale),
    reportInstances: flags.reportInstances ?? false,
    ...(isProgram(logger) && { logProgram: logger }),
    principalsOwner: await principalsOwner(machine),
    ...(codes ? { codes } : {}),
    ...(flags.leaseHook === undefined ? {} : { leaseHook: await createLeaseHook(flags.leaseHook) }),
    ...(kind === 'gateway'
      ? {
          names: {
            folder: machine.extrausers,
            home: machine.emptyHome,
            others: [generatedPrincipalsUser(machine)],
          },
        }
      : {}),
  });
  const { stopped } = environment;
  const end = new Promise<void>((resolve) => {
    if (stopped.aborted) resolve();
    else stopped.addEventListener('abort', () => resolve(), { once: true });
  });
  await companion.start();
  environment.log({ level: 'info', event: 'companion.started', message: 'sshd may ask from now on.' });
  await end;
  await companion.stop();
}

/**
 * When hundreds log in at once, sshd's own work would keep the companion from answering in time, and people would be
 * refused for that. Without the right to do so it goes on as usual.
 */
function answerBeforeOthers(): void {
  try {
    // Each thread has its own niceness (setpriority(2), BUGS), and what collects garbage is waited for.
    for (const thread of readdirSync('/proc/self/task')) beforeOthers(Number(thread));
    // Linux shares the processor among process sessions first (sched(7), autogroup), and each connection of sshd is one.
    if (readProcess(process.pid)?.session === process.pid) {
      writeFileSync('/proc/self/autogroup', `${constants.priority.PRIORITY_HIGHEST}`);
    }
  } catch {
    // Whoever started it decides: CPUWeight= in the unit.
  }
}

function beforeOthers(thread: number): void {
  try {
    setPriority(thread, constants.priority.PRIORITY_HIGHEST);
  } catch {
    // It has ended, or this is not for us to do.
  }
}

async function runStatus(kind: Kind, { tell, setExitStatus }: CompanionEnvironment): Promise<void> {
  const { lines, good } = await companionStatus(realMachine(kind), findPrograms());
  for (const line of lines) tell(line);
  if (!good) setExitStatus(1);
}

async function principalsOwner({ principalsUser }: Machine): Promise<{ uid: number; gid: number }> {
  const found = await findUser(principalsUser);
  if (found) return found;
  throw new SallyportError(
    'install_failed',
    `The user ${principalsUser} is missing. Run the installation of this machine again.`,
  );
}

function secondsOf(text: string | undefined): number | null {
  if (text === undefined) return defaultStalenessSeconds;
  if (text === 'unlimited') return null;
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new SallyportError(
    'settings_invalid',
    '--maximum-staleness wants a number of seconds, such as 3600, or "unlimited".',
  );
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9][0-9]{0,4}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new SallyportError('settings_invalid', '--codes-port wants a port from 1 to 65535.');
}

function whenStaleOf(text = 'deny'): WhenStale {
  const found = staleChoices.find((choice) => choice === text);
  if (found) return found;
  throw new SallyportError('settings_invalid', `--when-stale wants one of ${staleChoices.join(', ')}.`);
}

function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new SallyportError('settings_invalid', 'This writes the configuration of sshd. Run it as root.');
}
