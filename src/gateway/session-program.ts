/**
 * The compiled program that begins the sessions of a host (programs/session.c). Without it programs/route.sh does, which
 * takes a session some tens of milliseconds longer. It lies beside the program that asks for sshd.
 */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type InstalledProgram,
  type InstallOptions,
  installCompiled,
  isDenial,
  type ProgramKind,
  withAnswer,
} from './compiled-program.ts';
import type { Machine } from './machine.ts';
import { isProgram } from './programs.ts';
import { runProgram } from './run-program.ts';

const session: ProgramKind = {
  name: 'session',
  purpose: "begins a host's sessions",
  // The words of a refusal come through, and a dead socket ends the session with words of its own.
  isGood: (program) => {
    const words = `${randomBytes(16).toString('hex')}\n`;
    return withAnswer(`words\n${words}`, async ({ live, dead }) => {
      const refused = await runProgram(program, [live, '-', 'ticket']);
      const alone = await runProgram(program, [dead, '-', 'ticket']);
      return (
        isDenial(refused) &&
        refused.stderr === words &&
        isDenial(alone) &&
        /does not answer/.test(alone.stderr)
      );
    });
  },
};

export function sessionProgramIn(folder: string): string {
  return join(folder, session.name);
}

/** @throws file_refused if the given program does not do what it must; any other trouble is no error */
export async function installSessionProgram(options: InstallOptions): Promise<InstalledProgram> {
  const installed = await installCompiled(session, options);
  // One of an earlier version would be in force still: that it is there is what the companion goes by.
  if (installed.path === null) await rm(sessionProgramIn(options.folder), { force: true });
  return installed;
}

/** That of an installation, if it has one. */
export function installedSessionProgram({ programFolder }: Machine): string | null {
  const path = sessionProgramIn(programFolder);
  return isProgram(path) ? path : null;
}
