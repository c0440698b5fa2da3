/** About the program itself: completion for shells, and whether there is a newer one. */
import { Argument, type Command } from 'commander';
import type { Shell } from '../commands/completion.ts';
import { type Go, sub } from './build.ts';

export function addProgramCommands(program: Command, go: Go): void {
  sub(program, 'completion', 'print what completes commands, options and targets in your shell')
    .addArgument(
      new Argument('<shell>', 'the shell to print it for').choices(['bash', 'zsh', 'fish', 'powershell']),
    )
    .addHelpText('after', () => completionHelp)
    .action((shell: Shell) =>
      go(async (context) => (await import('../commands/completion.ts')).completion(context, shell, program)),
    );
  sub(program, 'update-check', 'whether there is a newer sally; asks nobody before you switch it on')
    .addArgument(
      new Argument('[what]', 'on: once a day, at a terminal; off: never; now: at once').choices([
        'on',
        'off',
        'now',
      ]),
    )
    .option('--url <url>', 'with on: ask there, not at your server')
    .option('--json', 'for programs')
    .addHelpText('after', () => updateHelp)
    .action((what: 'on' | 'off' | 'now' | undefined, options) =>
      go(async (context) =>
        (await import('../commands/update-check.ts')).updateCheck(context, what, options),
      ),
    );
}

const completionHelp = `
Names of targets come from the ssh config of your last login; nobody is asked.

Examples:
  echo 'eval "$(sally completion bash)"' >> ~/.bashrc
  sally completion zsh > "\${fpath[1]}/_sally"
  sally completion fish > ~/.config/fish/completions/sally.fish
  sally completion powershell >> $PROFILE
`;

const updateHelp = `
What is asked for is signed by those who release sally, and refused if it is
older than what was seen before. Nothing is ever downloaded or replaced: you are
told the command that does it.

Examples:
  sally update-check            is it on, and what was heard last
  sally update-check now
  sally update-check on --url https://releases.example.com/sally.release
`;
