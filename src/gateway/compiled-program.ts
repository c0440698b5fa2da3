/**
 * Small programs in C that stand where a shell script would cost a login time: built where the machine has a compiler, or
 * given as a file, and tried before anything names them. Where there is none a script does the same.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';
import { writeFileAtomically } from '../files/write-file.ts';
import { ownProgramName } from './own-program.ts';
import { programSource } from './program-source.ts';
import { isProgram } from './programs.ts';
import { type ProgramResult, runProgram } from './run-program.ts';

export interface ProgramKind {
  /** Its own, and with `.c` that of its source. */
  readonly name: string;
  /** What it is for: "asks for sshd". */
  readonly purpose: string;
  /** Whether it does what it must. @throws if it can't even be tried */
  readonly isGood: (program: string) => Promise<boolean>;
}

export interface InstallOptions {
  /** Of root, where everybody may look: sshd runs no command that lies anywhere else. */
  readonly folder: string;
  /** A program that was built elsewhere, in a container's image for example. */
  readonly given?: string | undefined;
  /** @returns whether a path is a program; tests replace it */
  readonly isThere?: (path: string) => boolean;
}

/** Either where it is now, or why there is none. */
export type InstalledProgram = { readonly path: string } | { readonly path: null; readonly why: string };

const compilers = ['/usr/bin/cc', '/usr/bin/gcc', '/usr/bin/clang', '/usr/bin/tcc'];
/** Static starts faster, where the C library has what it takes. */
const ways = [['-static', '-s'], ['-s'], []];

/** @throws file_refused if the given program does not do what it must; any other trouble is no error */
export async function installCompiled(kind: ProgramKind, options: InstallOptions): Promise<InstalledProgram> {
  const { folder, given, isThere = isProgram } = options;
  const path = join(folder, kind.name);
  const made = join(folder, `.${kind.name}.${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o755 });
    await chmod(folder, 0o755);
    if (given !== undefined) await writeFileAtomically(made, await readFile(given), { mode: 0o755 });
    else if (!(await compile(kind, made, isThere))) return { path: null, why: 'no compiler could build it' };
    await chmod(made, 0o755);
    if (!(await kind.isGood(made).catch(() => false))) {
      if (given !== undefined) throw refused(kind, given);
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

/** sshd must not name them any more. */
export async function removePrograms(folder: string): Promise<void> {
  const ours = ['ask', 'session', ownProgramName, `${ownProgramName}.new`];
  for (const name of ours) await rm(join(folder, name), { force: true });
  // Anything else in it is not ours.
  await rmdir(folder).catch(() => {});
}

async function compile(
  { name }: ProgramKind,
  to: string,
  isThere: (path: string) => boolean,
): Promise<boolean> {
  const found = compilers.filter(isThere);
  if (found.length === 0) return false;
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-compile-'));
  try {
    const source = join(folder, `${name}.c`);
    await writeFile(source, programSource(`${name}.c`));
    await writeFile(join(folder, 'question.h'), programSource('question.h'));
    for (const compiler of found) {
      for (const way of ways) {
        const { status } = await runProgram(compiler, ['-std=c99', '-O2', ...way, '-o', to, source]);
        if (status === 0) return true;
      }
    }
    return false;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A companion that gives one answer to everything, for as long as `use` takes, and a socket where nobody is. */
export async function withAnswer(
  answer: string,
  use: (sockets: { readonly live: string; readonly dead: string }) => Promise<boolean>,
): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-try-'));
  const live = join(folder, 's');
  const server = createServer((request, response) => {
    request
      .resume()
      .once('end', () =>
        response.writeHead(200, { 'content-length': Buffer.byteLength(answer) }).end(answer),
      );
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(live, resolve);
    });
    return await use({ live, dead: `${live}-dead` });
  } finally {
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether it refused, and said nothing on its output. */
export function isDenial({ status, stdout }: ProgramResult): boolean {
  return status !== 0 && stdout === '';
}

function refused({ name, purpose }: ProgramKind, given: string): SallyportError {
  return new SallyportError(
    'file_refused',
    `${given} is not the program that ${purpose}, or does not run here. Build it from programs/${name}.c: cc -std=c99 -O2 -static -o ${name} ${name}.c`,
  );
}
