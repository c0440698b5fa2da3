/** Programs in Debian's Python, which brings paramiko and asyncssh. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../../src/gateway/run-program.ts';

const python = '/usr/bin/python3';

/** Whether Debian's Python finds the module. */
export function hasPythonModule(name: string): boolean {
  const program = 'import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)';
  return spawnSync(python, ['-I', '-c', program, name]).status === 0;
}

/** Runs the script beside this file: `task` is its standard input as JSON, its standard output the answer. */
export async function askPython<Answer>(script: string, task: unknown): Promise<Answer> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { status, stdout, stderr } = await runProgram(python, ['-I', path], { input: JSON.stringify(task) });
  if (status !== 0) throw new Error(`${script}: ${stderr}${stdout}`);
  return JSON.parse(stdout) as Answer;
}
