import { type Command, Option } from 'commander';
import type { InstallFlags, StartFlags } from '../commands/agent.ts';
import { collected, type Go, sub } from './build.ts';

export function addAgentCommands(program: Command, go: Go): void {
  const agent = sub(program, 'agent', 'an ssh-agent that holds your certificates in memory').addHelpText(
    'after',
    () => agentHelp,
  );
  const load = () => import('../commands/agent.ts');
  withUse(sub(agent, 'start', 'run it, in the foreground'))
    .option('--background', 'on its own; prints what the shell needs')
    .addOption(new Option('--systemd', 'serve the socket that systemd passes on').hideHelp())
    .addHelpText('after', () => startHelp)
    .action((flags: StartFlags) => go(async (context) => (await load()).agentStart(context, flags)));
  sub(agent, 'stop', 'end it; what it holds is gone')
    .addHelpText('after', () => '\nExample:\n  sally agent stop\n')
    .action(() => go(async (context) => (await load()).agentStop(context)));
  sub(agent, 'status', 'whether it runs, and what it holds')
    .option('--json', 'for programs')
    .addHelpText('after', () => '\nExample:\n  sally agent status --json\n')
    .action((flags) => go(async (context) => (await load()).agentStatus(context, flags)));
  sub(agent, 'env', 'what a shell needs, so that its programs find the agent')
    .addOption(
      new Option('--shell <shell>', 'default: that of SHELL').choices(['sh', 'fish', 'csh', 'powershell']),
    )
    .addHelpText('after', () => envHelp)
    .action((flags) => go(async (context) => (await load()).agentEnv(context, flags)));
  withUse(sub(agent, 'install', 'let systemd start it for you, and ssh to *.sallyport use it'))
    .option('--no-ssh', 'leave the ssh config as it is')
    .option('--remove', 'undo it')
    .addHelpText('after', () => installHelp)
    .action((flags: InstallFlags) => go(async (context) => (await load()).agentInstall(context, flags)));
}

function withUse(command: Command): Command {
  return command
    .option('-c, --confirm', 'ask before each use, through SSH_ASKPASS or on the terminal')
    .option('--with-agent [socket]', "pass another agent's keys through (default: that of SSH_AUTH_SOCK)")
    .option(
      '--forward <from>to>',
      'may be used from one machine for logins at another; repeatable',
      collected,
    );
}

const agentHelp = `
Examples:
  eval "$(sally agent start --background)"
  sally agent install                 from now on, with systemd
  ssh-add -l                          what it offers here
  sally agent stop
`;

const startHelp = `
Examples:
  eval "$(sally agent start --background --with-agent)"
  sally agent start --confirm
  sally agent start --forward 'gw>shop-production--db'
`;

const envHelp = `
Examples:
  eval "$(sally agent env)"
  sally agent env --shell fish | source
  sally agent env --shell powershell | Invoke-Expression
`;

const installHelp = `
Examples:
  sally agent install --confirm
  sally agent install --remove
`;
