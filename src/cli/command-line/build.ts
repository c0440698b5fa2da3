/** How commands are declared: each loads its own code when it runs. */
import { type Command, InvalidArgumentError } from 'commander';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';

/**
 * Runs a command's work; `home` is the home folder if the command was told one. The work resolves with how it ended, or
 * with the exit code of the program that it was there to run.
 */
export type Go = (
  work: (context: SallyContext) => Promise<ExitName | number>,
  home?: string,
) => Promise<void>;

/** A subcommand that takes over what was set up for its parent. */
export function sub(parent: Command, name: string, description: string): Command {
  return parent.command(name).description(description).copyInheritedSettings(parent);
}

/** A number of an option. @throws InvalidArgumentError */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`Expected a number from ${least} to ${most}.`);
  };
}

/** "90d", "12h", "30m" or seconds, in seconds. @throws InvalidArgumentError */
export function span(text: string): number {
  const [, digits = '', unit = ''] = /^([0-9]{1,9})(s|m|h|d|w)?$/.exec(text) ?? [];
  if (digits === '') throw new InvalidArgumentError('Expected a span such as 90d, 12h, 30m or seconds.');
  return Number(digits) * ({ m: 60, h: 3600, d: 86_400, w: 604_800 }[unit] ?? 1);
}

/** Such as from "1m" to "240m". @throws InvalidArgumentError */
export function spanFrom(least: string, most: string): (text: string) => number {
  return (text) => {
    const seconds = span(text);
    if (seconds >= span(least) && seconds <= span(most)) return seconds;
    throw new InvalidArgumentError(`Expected a time from ${least} to ${most}.`);
  };
}

/** One more value of an option that may be given several times. */
export function collected(value: string, earlier: readonly string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}
