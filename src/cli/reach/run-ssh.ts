/** Runs ssh and what is built on it, and shows with SALLY_DEBUG=1 exactly how. */
import { afterRefusal } from '../after-refusal/after-refusal.ts';
import { KeptText } from '../after-refusal/kept-text.ts';
import { readRefusal, type SshFailure } from '../after-refusal/read-refusal.ts';
import type { SallyContext } from '../context.ts';
import type { ProgramRun } from '../run-program.ts';
import type { ReadySsh } from './prepare-ssh.ts';

/** @returns the program's exit code @throws program_missing */
export async function runSshProgram(context: SallyContext, run: ProgramRun): Promise<number> {
  const { debug, runProgram } = context;
  debug.say(`runs ${JSON.stringify([run.program, ...run.args])}`);
  const status = await runProgram(run);
  debug.say(`${run.program} ended with ${status}`);
  return status;
}

/** The same for a connection to targets: after one that failed there is one line more, with what it was and what to run. */
export async function runToTargets(
  context: SallyContext,
  run: ProgramRun,
  targets: readonly ReadySsh[],
): Promise<number> {
  const said = new KeptText();
  const status = await runSshProgram(context, { ...run, onStderr: said.add });
  if (!isOfConnection(run.program, status, readRefusal(said.text))) return status;
  for (const { ended } of targets) if (await ended(status)) return status;
  const [target, ...more] = new Set(targets.map(({ target: name }) => name));
  const failed = { stderr: said.text, target: more.length === 0 ? target : undefined };
  const aftermath = await afterRefusal(context, failed);
  if (aftermath) context.terminal.tell(`sally: ${aftermath.line}`);
  return status;
}

/** What ssh itself ends with, and a gateway that refuses in words; whatever else it is, the command at the other end says. */
const failedSsh = 255;
const refusedInWords = 1;
const interrupted = 130;

function isOfConnection(program: string, status: number, failure: SshFailure | undefined): boolean {
  if (status === 0 || status === interrupted) return false;
  if (program !== 'ssh' || status === failedSsh) return true;
  const isWords = failure !== undefined && 'detail' in failure;
  return status === refusedInWords && isWords;
}

export function configArguments(configFile: string | null): string[] {
  return configFile === null ? [] : ['-F', configFile];
}
