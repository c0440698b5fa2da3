/** The commands of `sally`, and the text of its help. */
import { Command } from 'commander';
import type { SallyEnvironment, TextSink } from '../environment.ts';
import { exitCodeLines } from '../exit-codes.ts';
import type { Go } from './build.ts';

/** Commands of one file; `names` are those that it declares, so that no other file need be read for one of them. */
interface CommandGroup {
  /** Under which they stand in the help. */
  readonly heading: string;
  readonly names: readonly string[];
  readonly load: () => Promise<(program: Command, go: Go) => void>;
}

/** In the order of the help. */
export const commandGroups: readonly CommandGroup[] = [
  {
    heading: 'Your login',
    names: ['login', 'logout', 'status', 'whoami', 'sessions', 'passkeys', 'step-up'],
    load: async () => (await import('./login.ts')).addLoginCommands,
  },
  {
    heading: 'Reaching machines',
    names: [
      ...['ssh', 'scp', 'sftp', 'rsync', 'upload', 'download', 'ls', 'target', 'link', 'gateway', 'logs'],
      ...['bastion', 'proxy-connect'],
    ],
    load: async () => (await import('./reach.ts')).addReachCommands,
  },
  {
    heading: 'Services and the console',
    names: ['tunnel', 'service', 'open', 'tunnel-supervise'],
    load: async () => (await import('./tunnels.ts')).addTunnelCommands,
  },
  {
    heading: 'Your certificate',
    names: ['cert', 'inspect', 'explain', 'ssh-config'],
    load: async () => (await import('./certificate.ts')).addCertificateCommands,
  },
  {
    heading: 'Other ways in',
    names: ['ssh-code', 'token'],
    load: async () => (await import('./credentials.ts')).addCredentialCommands,
  },
  {
    heading: 'This machine',
    names: ['profile', 'timer'],
    load: async () => (await import('./profiles.ts')).addProfileCommands,
  },
  {
    heading: 'Other ways in',
    names: ['ssh-keys', 'lease'],
    load: async () => (await import('./access.ts')).addAccessCommands,
  },
  {
    heading: 'This machine',
    names: ['agent'],
    load: async () => (await import('./agent.ts')).addAgentCommands,
  },
  {
    heading: 'When something is wrong',
    names: ['doctor', 'ssh-access'],
    load: async () => (await import('./tools.ts')).addToolCommands,
  },
  // Not "completion": that is about all of them.
  {
    heading: 'This machine',
    names: ['update-check'],
    load: async () => (await import('./program.ts')).addProgramCommands,
  },
  {
    heading: 'For admins',
    names: ['admin'],
    load: async () => (await import('./admin.ts')).addAdminCommands,
  },
];

/** All that may stand behind `sally`. */
export const commandNames: readonly string[] = commandGroups.flatMap(({ names }) => names);

interface CommandLineSettings {
  readonly environment: SallyEnvironment;
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  /** What is to be run; absent, or nothing that a group has: every command is declared. */
  readonly argv?: readonly string[];
}

const helpHeading = 'When something is wrong:';
const wordsOfHelp: ReadonlySet<string> = new Set(['-h', '--help', 'help']);

export async function sallyCommands(
  { environment, stdout, stderr, argv = [] }: CommandLineSettings,
  go: Go,
): Promise<Command> {
  const program = new Command('sally')
    .description('Log in once; plain ssh, scp, git and your editor then reach *.sallyport')
    .option('--profile <name>', 'this profile for this command (sally profile list)')
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
    // Beside long names of commands too, what they do stays within the screen.
    .configureHelp({ minWidthToWrap: 12, subcommandTerm })
    .addHelpText('after', () => helpAfter);
  const wanted = commandGroups.filter(({ names }) => names.includes(argv[0] ?? ''));
  for (const { load, heading } of wanted.length === 1 ? wanted : commandGroups) {
    program.commandsGroup(`${heading}:`);
    (await load())(program, go);
  }
  program
    .commandsGroup(helpHeading)
    .helpCommand('help [command]', 'the help of a command, as --help behind it');
  for (const command of program.commands) hintAt(command, `sally ${command.name()}`);
  if (argv.length === 0 || argv.some((word) => wordsOfHelp.has(word))) {
    (await import('./examples.ts')).addExamples(program);
  }
  return program;
}

/** A list of dozens names commands alone, so that what each does stands beside it; a short one what belongs behind them. */
function subcommandTerm(command: Command): string {
  if (!command.parent?.parent) return command.name();
  return `${command.name()} ${command.usage().replace(/^\[options\] ?|\[command\]$/g, '')}`.trim();
}

/** Whoever mistypes an option wants to read about that command, not about all of them. */
function hintAt(command: Command, path: string): void {
  const what = command.commands.length > 0 ? 'lists its commands' : 'tells how it is used';
  command.showHelpAfterError(`(${path} --help ${what})`);
  for (const below of command.commands) hintAt(below, `${path} ${below.name()}`);
}

const helpAfter = `
Examples:
  sally login                         at the local demo, or where you were last
  sally login --server https://ssh.example.com
  ssh shop-production--web.sallyport  from then on plain ssh
  sally ssh web                       the same by app, role, address or id
  sally explain shop-production--web  why does it not let me in?
  SALLY_TOKEN=... sally ssh-config install
                                      a machine's job: plain ssh from then on
  sally admin sessions revoke bob@example.com

Environment:
  SALLY_SERVER         the server, if --server is not given
  SALLY_PROFILE        a profile, if --profile is not given
  SALLY_TOKEN          an API token: sally is a machine then, and asks nobody
  SALLY_ID_TOKEN       the same with an OpenID Connect token of a CI system
  SALLY_ID_TOKEN_FILE  the same with the file that holds one
  SALLY_CI_RULE        ORGANIZATION/RULE, where several rules could be meant
  SALLY_STEP_UP        never: plain ssh logs nobody in, and says the command
  SALLY_DEBUG          1: what is decided and asked, on stderr, without secrets
  NO_COLOR             no colors
In jobs of GitHub Actions with permission id-token: write nothing need be set.

Exit codes:
${exitCodeLines().join('\n')}
`;
