/** Which files and programs make a timer of each system. */
import { join } from 'node:path';
import type { SallyContext } from '../context.ts';
import {
  launchdAgent,
  launchdLabel,
  systemdService,
  systemdTimer,
  type TimerCommand,
  taskName,
  windowsTask,
} from './timer-texts.ts';

interface Program {
  readonly program: string;
  readonly args: readonly string[];
}

export interface SystemTimer {
  readonly kind: 'systemd' | 'launchd' | 'task';
  /** In the order in which they are written. */
  readonly files: readonly { readonly path: string; readonly bytes: string | Uint8Array }[];
  /** Make the system read and run them. */
  readonly start: readonly Program[];
  /** Before the files go. */
  readonly stop: readonly Program[];
  /** After that. */
  readonly forget: readonly Program[];
}

/** @param offset in minutes, for a system that has no jitter of its own */
export function systemTimer(context: SallyContext, offset: number): SystemTimer {
  const { environment, paths } = context;
  const command: TimerCommand = {
    program: environment.program.node,
    args: [environment.program.entry, 'cert', 'ensure', '--quiet', '--all-profiles', '--home', paths.home],
    home: paths.home,
  };
  if (environment.platform === 'darwin') return launchd(paths.home, launchdAgent(command, offset));
  if (environment.platform === 'win32') return task(join(paths.folder, 'timer.xml'), windowsTask(command));
  return systemd(environment.forPrograms?.['XDG_CONFIG_HOME'] || join(paths.home, '.config'), command);
}

function systemd(configFolder: string, command: TimerCommand): SystemTimer {
  const folder = join(configFolder, 'systemd', 'user');
  const ask = (...args: string[]) => ({ program: 'systemctl', args: ['--user', '--quiet', ...args] });
  return {
    kind: 'systemd',
    files: [
      { path: join(folder, 'sally.service'), bytes: systemdService(command) },
      { path: join(folder, 'sally.timer'), bytes: systemdTimer() },
    ],
    start: [ask('daemon-reload'), ask('enable', '--now', 'sally.timer')],
    stop: [ask('disable', '--now', 'sally.timer')],
    forget: [ask('daemon-reload')],
  };
}

function launchd(home: string, text: string): SystemTimer {
  const path = join(home, 'Library', 'LaunchAgents', `${launchdLabel}.plist`);
  const ask = (verb: string) => ({ program: 'launchctl', args: [verb, path] });
  return {
    kind: 'launchd',
    files: [{ path, bytes: text }],
    start: [ask('load')],
    stop: [ask('unload')],
    forget: [],
  };
}

/** schtasks(1) reads UTF-16 with its mark in front. */
function task(path: string, text: string): SystemTimer {
  const ask = (...args: string[]) => ({ program: 'schtasks.exe', args });
  return {
    kind: 'task',
    files: [{ path, bytes: Buffer.from(`\ufeff${text}`, 'utf16le') }],
    start: [ask('/Create', '/F', '/TN', taskName, '/XML', path)],
    stop: [ask('/Delete', '/F', '/TN', taskName)],
    forget: [],
  };
}
