import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { appName } from '../reach/choose.ts';
import { findTarget, type Selection } from '../reach/find-target.ts';
import { prepareSsh } from '../reach/prepare-ssh.ts';
import { requireEntry } from '../reach/require-entry.ts';
import { configArguments, runToTargets } from '../reach/run-ssh.ts';
import { seenTargets } from '../reach/seen-targets.ts';

export interface LogsOptions extends Selection {
  readonly lines: number;
  readonly since?: string | undefined;
  /** Show what there is, and end. */
  readonly noFollow?: boolean | undefined;
}

/** What a shell ends with after Ctrl-C, and ssh where it is told to end. */
const interrupted = [130, 143];

/** Follows the journal of the instance's unit. Ctrl-C is how it usually ends, so that is no failure. */
export async function logs(context: SallyContext, options: LogsOptions): Promise<number> {
  const seen = await seenTargets(context);
  const target = await findTarget(context, seen, options);
  if (target.journal_unit === null) {
    throw new SallyportError(
      'not_found',
      `Nobody has said which log is that of ${appName(target)}. An admin names its systemd unit, as journal_unit of the app: sally admin export, then apply.`,
    );
  }
  const current = await requireEntry(context, seen, target);
  const ready = await prepareSsh(context, seen, current);
  const command = journalCommand(target.journal_unit, options);
  const args = [...configArguments(ready.configFile), '-T', '--', ready.host, command];
  const status = await runToTargets(context, { program: 'ssh', args, stdin: 'held' }, [ready]);
  return interrupted.includes(status) ? 0 : status;
}

/**
 * For the login's shell, whichever that is, one word of sh in single quotes, in which nothing stands that was not checked.
 * A command without a terminal goes on after its client is gone: so the end of its input, which sally holds open, ends it.
 */
export function journalCommand(unit: string, { lines, since, noFollow }: LogsOptions): string {
  if (!/^[A-Za-z0-9:_.@-]+$/.test(unit) || unit.startsWith('-')) {
    throw new SallyportError('name_refused', 'The server gave a unit that is no name of one. Tell an admin.');
  }
  if (since !== undefined && !/^[A-Za-z0-9@][A-Za-z0-9 :.+-]{0,39}$/.test(since)) {
    throw new SallyportError(
      'settings_invalid',
      '--since takes what journalctl does, such as "2026-05-04 10:00", "10 min ago" or yesterday.',
    );
  }
  const words = [
    'journalctl --no-pager --quiet',
    ...(noFollow ? [] : ['--follow']),
    `--lines=${lines}`,
    ...(since === undefined ? [] : [`--since="${since}"`]),
    `--unit="${unit}"`,
  ];
  const watch = 'exec 3<&0; { cat; kill $$; } <&3 3<&- >/dev/null 2>&1 & exec 3<&-';
  return `exec /bin/sh -c '${noFollow ? '' : `${watch}; `}exec ${words.join(' ')} </dev/null'`;
}
