/** Runs ssh and what is built on it, and shows with SALLY_DEBUG=1 exactly how. */
import type { SallyContext } from '../context.ts';
import type { ProgramRun } from '../run-program.ts';

/** @returns the program's exit code @throws program_missing */
export async function runSshProgram(context: SallyContext, run: ProgramRun): Promise<number> {
  const { debug, runProgram } = context;
  debug.say(`runs ${JSON.stringify([run.program, ...run.args])}`);
  const status = await runProgram(run);
  debug.say(`${run.program} ended with ${status}`);
  return status;
}

export function configArguments(configFile: string | null): string[] {
  return configFile === null ? [] : ['-F', configFile];
}
