/** What happens when a state arrives: it is installed, whoever it forbids is ended, and the CA hears what came of it. */
import type { CompanionState } from '../api/companions.ts';
import type { ConnectionKeeper } from './connection-keeper.ts';
import { type Log, logFailure } from './log.ts';
import type { Problems } from './problems.ts';
import type { Reporter } from './reporter.ts';
import type { StateInstaller } from './state-installer.ts';
import type { TrustedAge } from './trusted-age.ts';

export interface Receiving {
  readonly installer: StateInstaller;
  readonly keeper: ConnectionKeeper;
  readonly reporter: Reporter;
  readonly problems: Problems;
  readonly log: Log;
  readonly age: TrustedAge;
  readonly onReady: () => void;
}

/** A state that is refused is a problem, and the one before it stays. */
export async function receiveState(receiving: Receiving, state: CompanionState): Promise<void> {
  const { installer, keeper, reporter, problems, log, age, onReady } = receiving;
  age.noteTheirClock(state.generated_at);
  // Connections end while the files are written: the decision is in force already.
  const installing = install(receiving, state);
  const ended = await keeper.endWhoMustGo();
  await installing;
  tellClock(problems, age);
  const { installed } = installer;
  if (installed === undefined) return;
  if (!problems.has('state')) {
    onReady();
    log({
      level: 'info',
      event: 'state.in_force',
      message: `Version ${installed.version} is in force.`,
      facts: { version: installed.version, krl_version: installed.krl.version, connections_ended: ended },
    });
  }
  await reporter.acknowledge(installed, ended);
}

async function install({ installer, problems, log }: Receiving, state: CompanionState): Promise<void> {
  try {
    await installer.install(state);
    problems.clear('state');
  } catch (error) {
    problems.set('state', error instanceof Error ? error.message : 'unknown');
    logFailure(log, 'error', 'state.refused', error);
  }
}

/** @returns whether there is another problem, or one less, than before */
export function tellClock(problems: Problems, age: TrustedAge): boolean {
  const had = problems.has('clock');
  if (!age.isClockWrong()) problems.clear('clock');
  else {
    const skew = Math.abs(age.skewSeconds());
    problems.set('clock', `The clocks of this machine and of the CA differ by ${skew} seconds.`);
  }
  return had !== problems.has('clock');
}
