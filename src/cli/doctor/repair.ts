/**
 * What `sally doctor --fix` does: modes, files of ours, our line in the person's config, and what is surely left over.
 * Nothing else of the person is written, and a mode is only ever made narrower.
 */
import { constants } from 'node:fs';
import { lstat, mkdtemp, open, realpath, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSallyportError } from '../../errors/sallyport-error.ts';
import { ignoreMissing } from '../../files/ignore-missing.ts';
import type { SallyContext } from '../context.ts';
import { endControlMasters } from '../end-programs.ts';
import { ensureCertificate } from '../ensure-certificate.ts';
import { workingPort } from '../network/gateway-ports.ts';
import { callSignedIn } from '../signed-in.ts';
import { sshConfigurationRequest, writeSshConfiguration } from '../ssh-configuration.ts';
import { withStateLock } from '../state-folder.ts';
import { addIncludeLine } from '../user-config.ts';
import type { Repair } from './finding.ts';
import { gatherLeftovers } from './leftovers.ts';
import { runCaptured } from './run-captured.ts';

export interface Repaired {
  readonly what: string;
  /** Why it could not be done; null: it is done. */
  readonly failure: string | null;
}

/** Modes first: what comes after them writes only where others cannot. */
const order: readonly Repair['kind'][] = [
  'mode',
  'leftovers',
  'port',
  'own-files',
  'include',
  'certificate',
  'agent-keys',
  'masters',
];

export async function repairAll(context: SallyContext, repairs: readonly Repair[]): Promise<Repaired[]> {
  const done = new Map<string, Repaired>();
  for (const kind of order) {
    for (const repair of repairs.filter((one) => one.kind === kind)) {
      const key = repair.kind === 'mode' ? repair.path : repair.kind;
      if (!done.has(key)) done.set(key, await repaired(context, repair));
    }
  }
  return [...done.values()];
}

async function repaired(context: SallyContext, repair: Repair): Promise<Repaired> {
  try {
    return { what: await mend(context, repair), failure: null };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!isSallyportError(error) && code === undefined) throw error;
    return { what: wanted(repair), failure: (error as Error).message };
  }
}

/** @returns what was done */
async function mend(context: SallyContext, repair: Repair): Promise<string> {
  const { paths } = context;
  switch (repair.kind) {
    case 'mode':
      await narrow(repair.path === paths.userConfig ? await realpath(repair.path) : repair.path, repair.mode);
      return wanted(repair);
    case 'leftovers':
      return await removeLeftovers(context);
    case 'port':
      await workingPort(silent(context), repair.gateway, { again: true });
      await writeOwnFiles(context);
      return wanted(repair);
    case 'own-files':
      await writeOwnFiles(context);
      return wanted(repair);
    case 'include':
      await withStateLock(paths, async () => addIncludeLine(paths));
      return wanted(repair);
    case 'certificate':
      return await renewed(context);
    case 'agent-keys':
      await forget(context, repair.lines);
      return wanted(repair);
    default:
      await endControlMasters(context);
      return wanted(repair);
  }
}

function wanted(repair: Repair): string {
  const words = {
    leftovers: 'took away what was left over',
    'own-files': 'wrote our part of the ssh config again',
    include: 'put our line at the top of the ssh config',
    certificate: 'made a new key and certificate',
    'agent-keys': 'took our old keys out of the agent',
    masters: 'ended shared connections of ours',
    port: 'wrote the port that answers into the ssh config',
  } as const;
  if (repair.kind !== 'mode') return words[repair.kind];
  return `chmod ${repair.mode.toString(8).padStart(3, '0')} ${repair.path}`;
}

async function narrow(path: string, mode: number): Promise<void> {
  // Never through a link, and no pipe keeps it waiting.
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = await handle.stat();
    await handle.chmod(found.mode & 0o777 & mode);
  } finally {
    await handle.close();
  }
}

/** Under the lock nobody else is in the middle of anything. */
async function removeLeftovers(context: SallyContext): Promise<string> {
  const { paths } = context;
  const gone = await withStateLock(paths, async () => {
    const { paths: found } = await gatherLeftovers(paths);
    for (const path of found) {
      const isFolder = (await lstat(path).catch(() => undefined))?.isDirectory();
      if (isFolder) await rm(path, { recursive: true, force: true });
      else await unlink(path).catch(ignoreMissing);
    }
    return found.length;
  });
  return `took away what was left over: ${gone}`;
}

async function writeOwnFiles(context: SallyContext): Promise<void> {
  const { paths } = context;
  const configuration = await callSignedIn({ ...context, mayStepUp: false }, sshConfigurationRequest);
  await withStateLock(paths, async () => writeSshConfiguration(context, configuration));
}

/** @throws what the server has against it */
async function renewed(context: SallyContext): Promise<string> {
  const outcome = await ensureCertificate({ ...context, mayStepUp: false }, { force: true });
  if ('error' in outcome) throw outcome.error;
  return outcome.kind === 'renewed' ? wanted({ kind: 'certificate' }) : 'nobody is logged in: sally login';
}

/** What goes on is in the report. */
function silent(context: SallyContext): SallyContext {
  return { ...context, terminal: { ...context.terminal, tell: () => {} } };
}

/** ssh-add takes a public key as a file; older ones do not read it from a pipe. */
async function forget(context: SallyContext, lines: readonly string[]): Promise<void> {
  const folder = await mkdtemp(join(context.paths.folder, '.agent-'));
  try {
    for (const [at, line] of lines.entries()) {
      const file = join(folder, `${at}.pub`);
      await writeFile(file, `${line}\n`, { mode: 0o600 });
      await runCaptured(context, 'ssh-add', ['-q', '-d', file]);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
