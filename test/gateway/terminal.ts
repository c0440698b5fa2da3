/** ssh on a terminal of its own (run-in-terminal.py), as a person has it. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isProgram } from '../../src/gateway/programs.ts';
import { type Person, RunningSsh } from './ssh-client.ts';

const python = '/usr/bin/python3';
export const hasTerminals = isProgram(python);
const program = fileURLToPath(new URL('run-in-terminal.py', import.meta.url));

export class Terminal extends RunningSsh {
  /** The process that holds the terminal is between: what ends is ssh. */
  static open({ configuration }: Person, args: readonly string[]): Terminal {
    return new Terminal(
      spawn(python, [program, '/usr/bin/ssh', '-F', configuration, ...args], {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent', TERM: 'xterm', LANG: 'C.UTF-8' },
      }),
    );
  }

  type(keys: string): void {
    this.child.stdin?.write(keys);
  }

  /** From 24x80 to 30x100. */
  widen(): void {
    this.child.kill('SIGUSR1');
  }
}
