/**
 * The compiled program that asks the companion for sshd (programs/ask.c): built where the machine has a compiler, or given
 * as a file, and tried before anything names it. Where there is none sh and curl ask, which takes a login longer.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';
import { writeFileAtomically } from '../files/write-file.ts';
import { isProgram } from './programs.ts';
import { runProgram } from './run-program.ts';

const source = join(import.meta.dirname, 'programs/ask.c');
const compilers = ['/usr/bin/cc', '/usr/bin/gcc', '/usr/bin/clang', '/usr/bin/tcc'];
/** Static starts faster, where the C library has what it takes. */
const ways = [['-static', '-s'], ['-s'], []];

export interface AskProgramOptions {
  /** Of root, where everybody may look: sshd runs no command that lies anywhere else. */
  readonly folder: string;
  /** A program that was built elsewhere, in a container's image for example. */
  readonly given?: string | undefined;
  /** @returns whether a path is a program; tests replace it */
  readonly isThere?: (path: string) => boolean;
}

/** Either where it is now, or why there is none. */
export type AskProgram = { readonly path: string } | { readonly path: null; readonly why: string };

export function askProgramIn(folder: string): string {
  return join(folder, 'ask');
}

/** @throws file_refused if the given program does not do what it must; any other trouble is no error */
export async function installAskProgram(options: AskProgramOptions): Promise<AskProgram> {
  const { folder, given, isThere = isProgram } = options;
  const path = askProgramIn(folder);
  const made = join(folder, `.ask.${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o755 });
    await chmod(folder, 0o755);
    if (given !== undefined) await writeFileAtomically(made, await readFile(given), { mode: 0o755 });
    else if (!(await compile(made, isThere))) return { path: null, why: 'no compiler could build it' };
    await chmod(made, 0o755);
    if (!(await answers(made))) {
      if (given !== undefined) throw refused(given);
      return { path: null, why: 'what the compiler built does not run here' };
    }
    await rename(made, path);
    return { path };
  } catch (error) {
    if (error instanceof SallyportError || given !== undefined) throw error;
    return { path: null, why: `${folder} could not be written (${(error as NodeJS.ErrnoException).code})` };
  } finally {
    await rm(made, { force: true });
  }
}

/** sshd must not name it any more. */
export async function removeAskProgram(folder: string): Promise<void> {
  await rm(askProgramIn(folder), { force: true });
  // Anything else in it is not ours.
  await rmdir(folder).catch(() => {});
}

async function compile(to: string, isThere: (path: string) => boolean): Promise<boolean> {
  for (const compiler of compilers.filter(isThere)) {
    for (const way of ways) {
      const { status } = await runProgram(compiler, ['-std=c99', '-O2', ...way, '-o', to, source]);
      if (status === 0) return true;
    }
  }
  return false;
}

/** Tried with a socket of our own: an answer comes back byte for byte, and a dead socket gives none. */
async function answers(program: string): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-ask-'));
  const socket = join(folder, 's');
  const words = `${randomBytes(16).toString('hex')}\n`;
  const server = createServer((request, response) => {
    request
      .resume()
      .once('end', () => response.writeHead(200, { 'content-length': words.length }).end(words));
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(socket, resolve);
    });
    const args = ['/try', '5000', 'user=$(id)'];
    const good = await runProgram(program, [socket, ...args]);
    const dead = await runProgram(program, [`${socket}-dead`, ...args]);
    return good.status === 0 && good.stdout === words && dead.status !== 0 && dead.stdout === '';
  } catch {
    return false;
  } finally {
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function refused(given: string): SallyportError {
  return new SallyportError(
    'file_refused',
    `${given} is not the program that asks for sshd, or does not run here. Build it from programs/ask.c: cc -std=c99 -O2 -static -o ask ask.c`,
  );
}
