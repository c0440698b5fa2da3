/** `sally`: its commands, their options, and what becomes of errors. */
import { Command, CommanderError } from 'commander';
import { isSallyportError } from '../errors/sallyport-error.ts';
import type { SallyContext } from './context.ts';
import { createDebugLog } from './debug-log.ts';
import type { SallyEnvironment, TextSink } from './environment.ts';
import { type ExitName, exitCodeLines, exitCodes, exitNameOf } from './exit-codes.ts';
import { printable } from './printable.ts';
import { statePaths } from './state-paths.ts';
import { createTerminal } from './terminal.ts';

export interface SallyRun {
  /** Without the program's name. */
  readonly argv: readonly string[];
  readonly environment: SallyEnvironment;
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly now: () => Date;
  /** Opens the person's browser with an address that has been checked. */
  readonly openBrowser: (url: string) => Promise<void>;
  /** Asks on the terminal; absent where there is none. */
  readonly ask?: (question: string) => Promise<string>;
  /** Standard input, for `inspect -`. */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

type Work = (context: SallyContext) => Promise<ExitName>;

/** Runs one command. @returns the exit code; errors are on stderr by then */
export async function runSally(run: SallyRun): Promise<number> {
  const { environment, stderr } = run;
  const secretsSeen = createDebugLog(environment.debug ?? false, stderr);
  let exit: ExitName = 'done';
  const program = commands(run, async (work, home) => {
    exit = await work(contextOf(run, secretsSeen, home));
  });
  try {
    await program.parseAsync([...run.argv], { from: 'user' });
    return exitCodes[exit].number;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? exitCodes.done.number : exitCodes.usage.number;
    }
    const { name, lines } = explained(error);
    secretsSeen.say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    for (const line of lines) stderr.write(`sally: ${line}\n`);
    return exitCodes[name].number;
  }
}

function contextOf(run: SallyRun, debug: SallyContext['debug'], home: string | undefined): SallyContext {
  const { environment, stdout, stderr, now, openBrowser, ask, stdin } = run;
  const colors = (environment.isTerminal ?? false) && !environment.noColor;
  return {
    environment,
    // When it is asked for: not every command needs a home folder.
    get paths() {
      return statePaths(home ?? environment.home ?? environment.passwdHome);
    },
    terminal: createTerminal({ stdout, stderr, colors }),
    debug,
    now,
    patienceMilliseconds: 15_000,
    openBrowser,
    ...(ask && { ask }),
    ...(stdin && { stdin }),
  };
}

function commands(
  { environment, stdout, stderr }: SallyRun,
  go: (work: Work, home?: string) => Promise<void>,
): Command {
  const program = new Command('sally')
    .description('Log in once; plain ssh, scp, git and your editor then reach *.sallyport')
    .version(environment.version ?? '0', '--version', 'show the version')
    .helpOption('-h, --help', 'show this')
    .showHelpAfterError('(sally --help lists the commands)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text.replace(/^error: /, 'sally: ')),
      getOutHelpWidth: () => environment.columns ?? 80,
      getErrHelpWidth: () => environment.columns ?? 80,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText('after', () => helpAfter);
  // Subcommands take over what was set up to here; each one loads its own code when it runs.
  const sub = (parent: Command, name: string, description: string) =>
    parent.command(name).description(description).copyInheritedSettings(parent);

  sub(program, 'login', 'log in with the browser, get a certificate, set ssh up')
    .option('--server <url>', 'the Sallyport server (default: SALLY_SERVER, the last one, the local demo)')
    .option('--no-browser', 'only print the address')
    .action((options) =>
      go(async (context) => (await import('./commands/login.ts')).login(context, options)),
    );
  sub(program, 'logout', 'end the session and delete keys, certificates and tokens').action(() =>
    go(async (context) => (await import('./commands/logout.ts')).logout(context)),
  );
  sub(program, 'status', 'who is logged in and how long the certificate lasts; asks no server')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('./commands/status.ts')).status(context, options)),
    );
  sub(program, 'whoami', 'who you are for the server')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('./commands/whoami.ts')).whoami(context, options)),
    );

  const cert = sub(program, 'cert', 'the SSH certificate');
  sub(cert, 'show', 'what is in it, and where it is').action(() =>
    go(async (context) => (await import('./commands/cert.ts')).certShow(context)),
  );
  sub(cert, 'ensure', 'renew it if that is due')
    .option('--quiet', 'not a word, and never an error: for ssh')
    .option('--force', 'renew it in any case')
    .addOption(cert.createOption('--home <folder>', 'the home folder that ssh was set up for').hideHelp())
    .action((options) =>
      go(async (context) => (await import('./commands/cert.ts')).certEnsure(context, options), options.home),
    );

  sub(program, 'inspect', 'show what is in a certificate, a public key, a revocation list or a signature')
    .argument('[file]', 'or - for standard input (default: the certificate that ssh uses now)')
    .option('--json', 'for programs, as docs/certificates.md says')
    .option('--md5', 'MD5 fingerprints too, as old software shows them')
    .addHelpText('after', () => inspectHelp)
    .action((file: string | undefined, options) =>
      go(async (context) => (await import('./commands/inspect.ts')).inspect(context, file, options)),
    );

  sub(program, 'explain', 'would you get in, and if not, why and what to do')
    .argument('<target>', 'such as shop-production--web')
    .option('--account <account>', 'for admins: ask about somebody else')
    .option('--json', 'for programs')
    .action((target: string, options) =>
      go(async (context) => (await import('./commands/explain.ts')).explain(context, target, options)),
    );

  const config = sub(program, 'ssh-config', 'the part of your ssh config that is about *.sallyport');
  sub(config, 'install', 'add it (login does)').action(() =>
    go(async (context) => (await import('./commands/ssh-config.ts')).sshConfigInstall(context)),
  );
  sub(config, 'uninstall', 'take it out again').action(() =>
    go(async (context) => (await import('./commands/ssh-config.ts')).sshConfigUninstall(context)),
  );
  sub(config, 'show', 'print it').action(() =>
    go(async (context) => (await import('./commands/ssh-config.ts')).sshConfigShow(context)),
  );

  const sessions = sub(sub(program, 'admin', 'for admins'), 'sessions', 'login sessions of the organization');
  sub(sessions, 'list', 'who is logged in')
    .option('--all', 'ended ones too')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) =>
        (await import('./commands/admin-sessions.ts')).adminSessionsList(context, options),
      ),
    );
  sub(sessions, 'revoke', 'end a session, with its certificates and live connections')
    .argument('<who>', 'a session id, or an account: all its sessions')
    .option('--yes', 'without asking')
    .option('--json', 'for programs')
    .action((who: string, options) =>
      go(async (context) =>
        (await import('./commands/admin-sessions.ts')).adminSessionsRevoke(context, who, options),
      ),
    );
  return program;
}

const helpAfter = `
Examples:
  sally login                         at the local demo, or where you were last
  sally login --server https://ssh.example.com
  ssh shop-production--web.sallyport  from then on plain ssh
  sally explain shop-production--web  why does it not let me in?
  sally admin sessions revoke bob@example.com

Environment:
  SALLY_SERVER  the server, if --server is not given
  SALLY_DEBUG   1: what is decided and asked, on stderr, without secrets
  NO_COLOR      no colors

Exit codes:
${exitCodeLines().join('\n')}
`;

const inspectHelp = `
It asks no server and needs no login. Of a file with several keys or
certificates (known_hosts, authorized_keys) each is shown. A private key is
refused, and nothing of it is shown.

Examples:
  sally inspect                       your certificate
  sally inspect ~/.ssh/id-cert.pub
  ssh-add -L | sally inspect -        what the agent holds
  sally inspect --json revoked.krl | jq -r '.found[0].version'

Ends with 0, or with 6 if something could not be read or the signature of a CA
is not good.
`;

/** One or two lines for the person, whatever happened. */
function explained(error: unknown): { name: ExitName; lines: string[] } {
  if (isSallyportError(error)) return { name: exitNameOf(error.code), lines: [error.message] };
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  const why = fileTroubles[code ?? ''];
  if (why && syscall) return { name: 'files', lines: [`${path ?? 'a file below ~/.ssh'} ${why}`] };
  const message = error instanceof Error ? error.message : String(error);
  return {
    name: 'failed',
    lines: [`unexpected error: ${printable(message)}`, 'With SALLY_DEBUG=1 before the command it says more.'],
  };
}

const fileTroubles: Readonly<Record<string, string>> = {
  EACCES: 'may not be read or written by you. Look at its owner and mode: ls -ld',
  EPERM: 'may not be changed by you. Look at its owner and attributes: ls -ld',
  EROFS: 'is on a file system that cannot be written now.',
  ENOSPC: 'does not fit: the disk is full. Make room and try again.',
  EDQUOT: 'does not fit: your quota is used up. Make room and try again.',
  EEXIST: 'is there already and is not a folder. Move it away and try again.',
  ENOTDIR: 'has a file where a folder should be. Move it away and try again.',
  EISDIR: 'is a folder where a file should be. Move it away and try again.',
};
