import { randomInt } from 'node:crypto';
import { mkdir, readFile, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isSallyportError, SallyportError } from '../../errors/sallyport-error.ts';
import { ignoreMissing } from '../../files/ignore-missing.ts';
import { writeFileAtomically } from '../../files/write-file.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { prepareStateFolder } from '../state-folder.ts';
import { type SystemTimer, systemTimer } from '../timer/system-timer.ts';
import { minutesBetween } from '../timer/timer-texts.ts';

export async function timerInstall(context: SallyContext): Promise<ExitName> {
  const { terminal, paths } = context;
  if (context.machine) {
    throw new SallyportError(
      'settings_invalid',
      `${context.machine.source} is set: a machine's certificate is renewed by its ssh. For your own: unset ${context.machine.source}`,
    );
  }
  await prepareStateFolder(paths);
  const timer = systemTimer(context, randomInt(minutesBetween));
  for (const { path, bytes } of timer.files) {
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomically(path, bytes, { mode: 0o644 });
    terminal.print(`Wrote ${path}`);
  }
  const failed = await firstFailure(context, timer.start);
  if (failed !== undefined) {
    terminal.tell(`sally: ${failed}. The files stay; where the system runs such timers, run it again there.`);
    return 'failed';
  }
  terminal.print(`Certificates are renewed every ${minutesBetween} minutes, where one is about to be due.`);
  terminal.print('To undo it: sally timer uninstall');
  return 'done';
}

export async function timerUninstall(context: SallyContext): Promise<ExitName> {
  const { terminal } = context;
  const timer = systemTimer(context, 0);
  if ((await installed(timer)).length === 0) {
    terminal.print('No timer is installed.');
    return 'done';
  }
  const failed = await firstFailure(context, timer.stop);
  for (const { path } of timer.files) {
    await unlink(path).catch(ignoreMissing);
    terminal.print(`Removed ${path}`);
  }
  await firstFailure(context, timer.forget);
  if (failed !== undefined) context.debug.say(failed);
  return 'done';
}

export async function timerStatus(
  context: SallyContext,
  options: { readonly json?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  const timer = systemTimer(context, 0);
  const found = await installed(timer);
  const isWhole = found.length === timer.files.length;
  const { entry } = context.environment.program;
  // Of an sally that lies elsewhere now, it would start nothing.
  const isCurrent = isWhole && found.some((text) => text.includes(entry));
  if (options.json) {
    const files = timer.files.map(({ path }) => path);
    terminal.print(JSON.stringify({ kind: timer.kind, installed: isWhole, current: isCurrent, files }));
    return 'done';
  }
  if (found.length === 0)
    terminal.print('No timer is installed; ssh renews by itself. To install one: sally timer install');
  else if (!isCurrent)
    terminal.print('The timer starts another sally, or is not whole. Run: sally timer install');
  else
    terminal.say(`A timer of ${timer.kind} renews every ${minutesBetween} minutes what is about to be due.`);
  for (const { path } of found.length === 0 ? [] : timer.files) terminal.print(`  ${path}`);
  return 'done';
}

/** The texts that are there. */
async function installed({ files, kind }: SystemTimer): Promise<string[]> {
  const texts = await Promise.all(
    files.map(({ path }) => readFile(path, kind === 'task' ? 'utf16le' : 'utf8').catch(() => undefined)),
  );
  return texts.filter((text) => text !== undefined);
}

async function firstFailure(
  context: SallyContext,
  programs: SystemTimer['start'],
): Promise<string | undefined> {
  for (const { program, args } of programs) {
    const line = [program, ...args].join(' ');
    try {
      const status = await context.runProgram({ program, args, stdin: 'ignore' });
      if (status !== 0) return `"${line}" ended with ${status}`;
    } catch (error) {
      if (!isSallyportError(error) || error.code !== 'program_missing') throw error;
      return `${program} is not installed here`;
    }
  }
  return undefined;
}
