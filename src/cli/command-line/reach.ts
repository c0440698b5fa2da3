import { type Command, InvalidArgumentError, Option } from 'commander';
import type { SshOptions } from '../commands/ssh.ts';
import type { CopyProgram } from '../reach/copy-operands.ts';
import { collected, type Go, span, sub, wholeNumber } from './build.ts';

export function addReachCommands(program: Command, go: Go): void {
  addSsh(program, go);
  addLooking(program, go);
  addLogs(program, go);
  addBastion(program, go);
}

function addSsh(program: Command, go: Go): void {
  const counts = { terminals: 0, verbose: 0 };
  const ssh = selecting(sub(program, 'ssh', 'a shell or a command at a target'))
    .argument(
      '[name]',
      'a target by name, id, address, instance, app or role (default: the app of this folder)',
    )
    .argument('[command...]', 'behind --: run this instead of a shell')
    .option('-t', 'a terminal, where there is one here; -tt in any case')
    .option('-T', 'no terminal')
    .option('-v', 'ssh says what it does; -vv, -vvv: more')
    .option('-A', 'forward the agent, where policy allows it')
    .option('-N', 'no command: for forwarding alone')
    .option('-L <forward>', 'as of ssh; repeatable', collected)
    .option('-R <forward>', 'as of ssh; repeatable', collected)
    .option('-J, --jump <bastion>', 'go through your own bastion, user@host[:port], first')
    .option('--gateway-key <file>', 'the private key for that bastion')
    .option('--pipe', 'only print user@host, without a line end')
    .option('--all', 'only print user@host of everything that fits')
    .addOption(new Option('-o, --output <format>', 'only print it, for programs').choices(['json']))
    .addHelpText('after', () => sshHelp);
  ssh.on('option:t', () => {
    counts.terminals += 1;
  });
  ssh.on('option:v', () => {
    counts.verbose += 1;
  });
  ssh.action((name: string | undefined, words: string[], options) => {
    const parsed = {
      ...options,
      ...counts,
      ...splitAtDashes(program, [...(name === undefined ? [] : [name]), ...words]),
      noTerminal: options.T,
      agent: options.A,
      noCommand: options.N,
      local: options.L,
      remote: options.R,
    } as SshOptions;
    return go(async (context) => (await import('../commands/ssh.ts')).ssh(context, parsed));
  });

  for (const copied of ['scp', 'sftp', 'rsync'] as const) {
    sub(program, copied, `${copied} itself, with names of targets for hosts`)
      .argument('[words...]', `as ${copied} has them`)
      .allowUnknownOption()
      .helpOption(false)
      .addHelpText('after', () => copyHelp(copied))
      .action((_words, _options, command: Command) => {
        const [, ...args] = rawArguments(program);
        if (args.length === 1 && (args[0] === '--help' || args[0] === '-h')) return command.outputHelp();
        return go(async (context) => (await import('../commands/copy.ts')).copy(context, copied, args));
      });
  }
  selecting(sub(program, 'upload', 'copy a file to a target'))
    .argument('<file>', 'the file or folder here')
    .argument('[remote]', 'file or folder there (default: the login’s home)')
    .option('--to <name>', 'the target, as for ssh')
    .option('-r, --recursive', 'a folder with everything in it')
    .action((from: string, to: string | undefined, options) =>
      go(async (context) =>
        (await import('../commands/copy.ts')).upload(context, { ...options, name: options.to, from, to }),
      ),
    );
  selecting(sub(program, 'download', 'copy a file from a target'))
    .argument('<remote>', 'the file or folder there')
    .argument('[file]', 'file or folder here (default: this folder)')
    .option('--from <name>', 'the target, as for ssh')
    .option('-r, --recursive', 'a folder with everything in it')
    .action((from: string, to: string | undefined, options) =>
      go(async (context) =>
        (await import('../commands/copy.ts')).download(context, { ...options, name: options.from, from, to }),
      ),
    );
}

function addLooking(program: Command, go: Go): void {
  selecting(sub(program, 'ls', 'the targets that you may see, and whether they let you in'))
    .argument('[name]', 'only what fits')
    .option('--json', 'for programs')
    .action((name: string | undefined, options) =>
      go(async (context) => (await import('../commands/ls.ts')).ls(context, { ...options, name })),
    );
  selecting(sub(program, 'target', 'one target: its names, ids, gateway and state'))
    .argument('[name]', 'as for ssh')
    .option('--json', 'for programs')
    .action((name: string | undefined, options) =>
      go(async (context) => (await import('../commands/target.ts')).target(context, { ...options, name })),
    );
  selecting(sub(program, 'link', 'say which app this folder is of'))
    .argument('[name]', 'a target, or its app')
    .option('--show', 'say what it is linked to')
    .option('--remove', 'undo it')
    .action((name: string | undefined, options) =>
      go(async (context) => (await import('../commands/link.ts')).link(context, { ...options, name })),
    );
  const gateway = sub(program, 'gateway', 'the gateways in front of your targets');
  sub(gateway, 'check', 'which of their ports can be reached from here')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('../commands/gateway-check.ts')).gatewayCheck(context, options)),
    );
  sub(gateway, 'fingerprint', 'by which key each is known, as the server publishes it; needs no login')
    .argument('[name]', 'a gateway, by name or host name (default: all)')
    .option('--server <url>', 'the Sallyport server (default: SALLY_SERVER, the last one, the local demo)')
    .option('--json', 'for programs')
    .action((name: string | undefined, options) =>
      go(async (context) =>
        (await import('../commands/gateway-fingerprint.ts')).gatewayFingerprint(context, name, options),
      ),
    );
}

function addLogs(program: Command, go: Go): void {
  selecting(sub(program, 'logs', 'follow the journal of an instance'))
    .argument('[name]', 'as for ssh')
    .option('-n, --lines <number>', 'of what was before', wholeNumber(0, 100_000), 100)
    .option('--since <time>', 'such as "10 min ago", as journalctl takes it')
    .option('--no-follow', 'show what there is, and end')
    .action((name: string | undefined, { follow, ...options }) =>
      go(async (context) =>
        (await import('../commands/logs.ts')).logs(context, { ...options, name, noFollow: !follow }),
      ),
    );
}

function addBastion(program: Command, go: Go): void {
  const bastion = sub(program, 'bastion', 'a bastion of your own in front of a gateway');
  sub(bastion, 'open', 'log in to it once, for every sally ssh --jump until the time is over')
    .argument('<bastion>', 'user@host[:port]')
    .option('--ttl <span>', 'how long, such as 20m; at most 240m', span, 1200)
    .option('--gateway-key <file>', 'the private key for it')
    .action((destination: string, options) =>
      go(async (context) =>
        (await import('../commands/bastion.ts')).bastionOpen(context, destination, options),
      ),
    );
  sub(bastion, 'list', 'those that are open')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('../commands/bastion.ts')).bastionList(context, options)),
    );
  sub(bastion, 'close', 'close one, or all')
    .argument('[bastion]', 'as it was opened (default: all)')
    .action((destination: string | undefined) =>
      go(async (context) => (await import('../commands/bastion.ts')).bastionClose(context, destination)),
    );

  program
    .command('proxy-connect', { hidden: true })
    .description('for ssh: connect through the proxy that the environment names')
    .copyInheritedSettings(program)
    .argument('<address>')
    .argument('<port>', 'its port', portNumber)
    .action((address: string, port: number) =>
      go(async (context) =>
        (await import('../commands/proxy-connect.ts')).proxyConnect(context, address, port),
      ),
    );
}

/** What tells targets apart, for every command that takes one. */
export function selecting(command: Command): Command {
  return command
    .option('--project <project>', 'only what is of this project')
    .option('--environment <environment>', 'only what is of this environment')
    .option('--app <app>', 'only what is of this app')
    .option('--instance <instance>', 'by name, id or number in the list')
    .option('--worker [name]', 'a worker')
    .option('--task [name]', 'a task')
    .option('--process <role>', 'a role such as web, or worker, task')
    .option('--any', 'of several the first that lets you in')
    .on('option:worker', (value) => command.setOptionValue('worker', value ?? ''))
    .on('option:task', (value) => command.setOptionValue('task', value ?? ''));
}

/** What stands behind `--` is the command, and only what stands before it can be a name. */
export function splitAtDashes(
  program: Command,
  operands: readonly string[],
): { name: string | undefined; command: readonly string[] } {
  const raw = rawArguments(program);
  const at = raw.indexOf('--');
  const command = at === -1 ? operands.slice(1) : raw.slice(at + 1);
  const [name] = at === -1 ? operands : operands.slice(0, operands.length - command.length);
  return { name, command };
}

function rawArguments(program: Command): readonly string[] {
  return (program as Command & { readonly rawArgs: readonly string[] }).rawArgs;
}

function portNumber(text: string): number {
  const number = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= 65_535) return number;
  throw new InvalidArgumentError('Expected a port.');
}

const copyHelp = (program: CopyProgram) => `
Takes every option of ${program}. A target is named as for "sally ssh"; nothing
before the colon means the app of this folder.

${program === 'sftp' ? 'Example:\n  sally sftp web' : `Examples:\n  sally ${program} FILE web:log/\n  sally ${program} :log/today .`}
`;

const sshHelp = `
Examples:
  sally ssh                           the app of this folder (by link or git)
  sally ssh shop-production--web
  sally ssh web --environment staging -- uptime
  sally ssh --app web --instance 2 -t -- top
  scp file "$(sally ssh web --any --pipe)":

Exact names beat beginnings. Where several targets fit you are asked, and a
script is told them and has to name one, or to say --any.

Ends with the exit code of the command there; with 255 if ssh itself failed; or
as "sally --help" says, if it did not come to that.
`;
