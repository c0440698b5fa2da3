/** What the definitions of the commands say, as data: the manual, completion and the tests go by it. */
import type { Argument, Command, Option } from 'commander';

export interface DescribedCommand {
  /** With the program: `['sally', 'admin', 'sessions', 'list']`. */
  readonly path: readonly string[];
  readonly description: string;
  /** As `--help` has it, behind the path. */
  readonly usage: string;
  readonly arguments: readonly DescribedArgument[];
  readonly options: readonly DescribedOption[];
  readonly commands: readonly DescribedCommand[];
  readonly isHidden: boolean;
}

export interface DescribedArgument {
  readonly name: string;
  /** With its brackets: `[command...]`. */
  readonly term: string;
  readonly description: string;
  readonly choices: readonly string[];
  readonly isVariadic: boolean;
}

export interface DescribedOption {
  /** `-f, --file <file>` */
  readonly flags: string;
  readonly names: readonly string[];
  readonly description: string;
  /** What stands for the value, such as `file`; absent: it takes none. */
  readonly value?: string;
  readonly choices: readonly string[];
}

export function describeCommand(command: Command, before: readonly string[] = []): DescribedCommand {
  const path = [...before, command.name()];
  const help = command.createHelp();
  return {
    path,
    description: command.description(),
    usage: command.usage(),
    arguments: command.registeredArguments.map(describeArgument),
    options: help.visibleOptions(command).map(describeOption),
    commands: command.commands.map((below) => describeCommand(below, path)),
    isHidden:
      !command.parent?.createHelp().visibleCommands(command.parent).includes(command) && before.length > 0,
  };
}

/** It and everything below, in the order of the help, without what is hidden. */
export function visibleCommands(described: DescribedCommand): DescribedCommand[] {
  return [described, ...described.commands.filter(({ isHidden }) => !isHidden).flatMap(visibleCommands)];
}

function describeArgument(argument: Argument): DescribedArgument {
  const { required, variadic } = argument;
  const words = `${argument.name()}${variadic ? '...' : ''}`;
  return {
    name: argument.name(),
    term: required ? `<${words}>` : `[${words}]`,
    description: argument.description,
    choices: argument.argChoices ?? [],
    isVariadic: variadic,
  };
}

function describeOption(option: Option): DescribedOption {
  const [, value] = /[<[]([^\]>]*)[\]>]$/.exec(option.flags) ?? [];
  return {
    flags: option.flags,
    names: [option.short, option.long].flatMap((name) => name ?? []),
    description: option.description,
    ...(value !== undefined && option.required && { value }),
    choices: option.argChoices ?? [],
  };
}
