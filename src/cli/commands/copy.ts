import type { SeenTarget } from '../../api/targets.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { type CopyProgram, remoteOperands } from '../reach/copy-operands.ts';
import { findTarget, type Selection } from '../reach/find-target.ts';
import { prepareSsh, type ReadySsh } from '../reach/prepare-ssh.ts';
import { requireEntry } from '../reach/require-entry.ts';
import { configArguments, runToTargets } from '../reach/run-ssh.ts';
import { seenTargets } from '../reach/seen-targets.ts';

/** `sally scp`, `sftp` and `rsync`: the programs themselves, with names of targets for hosts. */
export async function copy(
  context: SallyContext,
  program: CopyProgram,
  args: readonly string[],
): Promise<number> {
  const operands = remoteOperands(program, args);
  if (operands.length === 0) {
    const example = program === 'sftp' ? 'sally sftp NAME' : `sally ${program} FILE NAME:FOLDER/`;
    throw new SallyportError('settings_invalid', `No target is named there. It looks like: ${example}`);
  }
  const words = [...args];
  const ready: ReadySsh[] = [];
  for (const { at, user, name, path } of operands) {
    const { host, ...rest } = await readyFor(context, name === '' ? {} : { name });
    words[at] = `${user}${host}${path}`;
    ready.push({ host, ...rest });
  }
  const [first] = ready;
  const config = first?.configFile ?? null;
  const args0 = program === 'rsync' ? rsyncShell(config, args) : configArguments(config);
  return await runToTargets(context, { program, args: [...args0, ...words] }, ready);
}

export interface TransferOptions extends Selection {
  readonly recursive?: boolean | undefined;
}

export async function upload(
  context: SallyContext,
  {
    from,
    to = '.',
    ...options
  }: TransferOptions & { readonly from: string; readonly to?: string | undefined },
): Promise<number> {
  return await transfer(context, options, (host) => [here(from), `${host}:${to}`]);
}

export async function download(
  context: SallyContext,
  {
    from,
    to = '.',
    ...options
  }: TransferOptions & { readonly from: string; readonly to?: string | undefined },
): Promise<number> {
  return await transfer(context, options, (host) => [`${host}:${from}`, here(to)]);
}

async function transfer(
  context: SallyContext,
  { recursive, ...selection }: TransferOptions,
  operands: (host: string) => string[],
): Promise<number> {
  const ready = await readyFor(context, selection);
  const config = configArguments(ready.configFile);
  const args = [...config, ...(recursive ? ['-r'] : []), '--', ...operands(ready.host)];
  return await runToTargets(context, { program: 'scp', args }, [ready]);
}

async function readyFor(context: SallyContext, selection: Selection): Promise<ReadySsh> {
  const seen = await seenTargets(context);
  const target: SeenTarget = await findTarget(context, seen, selection);
  const current = await requireEntry(context, seen, target);
  return await prepareSsh(context, seen, current);
}

/** scp takes a file with a colon in its name for one at another machine. */
function here(path: string): string {
  return path.includes(':') && !path.startsWith('/') ? `./${path}` : path;
}

/** rsync splits this at blanks outside of quotes. Who gives a program of their own knows what they do. */
function rsyncShell(configFile: string | null, args: readonly string[]): string[] {
  const isGiven = args.some((word) => /^(-[a-zA-Z]*e|--rsh)/.test(word));
  return configFile === null || isGiven ? [] : ['-e', `ssh -F '${configFile}'`];
}
