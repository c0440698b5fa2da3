/** The compiled program that asks the companion for sshd (programs/ask.c). Without it sh and curl ask, which takes longer. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import {
  type InstalledProgram,
  type InstallOptions,
  installCompiled,
  isDenial,
  type ProgramKind,
  withAnswer,
} from './compiled-program.ts';
import { runProgram } from './run-program.ts';

const ask: ProgramKind = {
  name: 'ask',
  purpose: 'asks for sshd',
  // An answer comes back byte for byte, and a dead socket gives none.
  isGood: (program) => {
    const words = `${randomBytes(16).toString('hex')}\n`;
    const args = ['/try', '5000', 'user=$(id)'];
    return withAnswer(words, async ({ live, dead }) => {
      const good = await runProgram(program, [live, ...args]);
      return (
        good.status === 0 && good.stdout === words && isDenial(await runProgram(program, [dead, ...args]))
      );
    });
  },
};

export function askProgramIn(folder: string): string {
  return join(folder, ask.name);
}

/** @throws file_refused if the given program does not do what it must; any other trouble is no error */
export async function installAskProgram(options: InstallOptions): Promise<InstalledProgram> {
  return await installCompiled(ask, options);
}
