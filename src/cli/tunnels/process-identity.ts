/**
 * Which process it is: its id and when it started, because ids are used again, after a reboot all of them. Linux tells in
 * /proc (proc(5)), with the boot; others by ps, whose start time is a moment and so differs between boots by itself.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { z } from 'zod';

export const processIdentity = z.strictObject({
  pid: z.int().positive(),
  started: z.string().min(1).max(200),
});

export type ProcessIdentity = z.infer<typeof processIdentity>;

const run = promisify(execFile);

/** Undefined if there is no such process, or it only waits for its parent to ask for its status. */
export async function identityOf(
  pid: number,
  platform: NodeJS.Platform,
): Promise<ProcessIdentity | undefined> {
  const started = await (ways[platform] ?? startedByPs)(pid);
  return started === undefined ? undefined : { pid, started };
}

export async function isRunning(
  { pid, started }: ProcessIdentity,
  platform: NodeJS.Platform,
): Promise<boolean> {
  return (await identityOf(pid, platform))?.started === started;
}

/** Sends nothing to a process that has come after it. @returns whether it was there */
export async function signal(
  identity: ProcessIdentity,
  name: NodeJS.Signals,
  platform: NodeJS.Platform,
): Promise<boolean> {
  if (!(await isRunning(identity, platform))) return false;
  try {
    return process.kill(identity.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

type StartedOf = (pid: number) => Promise<string | undefined>;

const ways: Partial<Record<NodeJS.Platform, StartedOf>> = {
  linux: startedByProc,
  win32: startedByPowerShell,
};

async function startedByProc(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  // The name stands in parentheses and may hold some itself; what follows are fields 3 and on.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  const [state = 'X'] = fields;
  if (/^[ZXx]$/.test(state)) return undefined;
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'ascii').catch(() => '');
  return `${boot.trim()} ${fields[19]}`;
}

async function startedByPs(pid: number): Promise<string | undefined> {
  try {
    const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
    const { stdout } = await run('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { env });
    const [, state, started] = /^\s*(\S+)\s+(\S.*?)\s*$/.exec(stdout) ?? [];
    return state?.startsWith('Z') ? undefined : started;
  } catch (error) {
    if ((error as { code?: unknown }).code === 1) return undefined; // no such process
    throw error;
  }
}

async function startedByPowerShell(pid: number): Promise<string | undefined> {
  const command = `(Get-Process -Id ${pid} -ErrorAction SilentlyContinue).StartTime.ToFileTimeUtc()`;
  const { stdout } = await run('powershell', ['-NoProfile', '-NonInteractive', '-Command', command]).catch(
    () => ({ stdout: '' }),
  );
  return stdout.trim() || undefined;
}
