/** `sally completion`: a script for a shell, from the same definitions as the help. It asks no server. */
import type { Command } from 'commander';
import { describeCommand } from '../command-line/describe.ts';
import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { powershellCompletion } from '../completion/powershell.ts';
import { type CompletionRow, completionTable } from '../completion/table.ts';
import { zshCompletion } from '../completion/zsh.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';

const scripts: Readonly<Record<Shell, (table: readonly CompletionRow[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
  powershell: powershellCompletion,
};

export type Shell = 'bash' | 'zsh' | 'fish' | 'powershell';

/** @param program with every command declared */
export async function completion(
  { terminal }: SallyContext,
  shell: Shell,
  program: Command,
): Promise<ExitName> {
  terminal.write(completionScript(shell, program));
  return 'done';
}

/** @param program with every command declared */
export function completionScript(shell: Shell, program: Command): string {
  return scripts[shell](completionTable(describeCommand(program)));
}
