/**
 * Looks at what may go wrong by itself: the CA is not heard, the clock is wrong, sshd's configuration is not what was
 * installed. Each is a problem that is told to the CA, to the log and by `status`, for as long as it lasts.
 */
import { writeFileAtomically } from '../files/write-file.ts';
import { checkDrift } from './check-drift.ts';
import type { Log } from './log.ts';
import type { Problems } from './problems.ts';
import { tellClock } from './receive-state.ts';
import { type RunReport, reportText } from './run-report.ts';
import type { SshdFiles } from './sshd-files.ts';
import type { SshdKeeper } from './sshd-keeper.ts';
import type { StateInstaller } from './state-installer.ts';
import type { TrustedAge, WhenStale } from './trusted-age.ts';

export interface MachineWatchOptions {
  readonly age: TrustedAge;
  readonly whenStale: WhenStale;
  readonly installer: StateInstaller;
  readonly problems: Problems;
  readonly sshd: { readonly files: SshdFiles; readonly keeper: SshdKeeper } | undefined;
  readonly reportFile: string;
  readonly nowSeconds: () => number;
  readonly log: Log;
}

const logEverySeconds = 60;
const reportEverySeconds = 10;

const doing: Readonly<Record<WhenStale, string>> = {
  deny: 'it lets nobody in',
  strict: 'sshd trusts no CA until it is heard again',
  keep: 'it goes on with the last state, which knows no revocation since',
};

export class MachineWatch {
  readonly #options: MachineWatchOptions;
  #loggedAt = Number.NEGATIVE_INFINITY;
  #reportedAt = Number.NEGATIVE_INFINITY;
  /** undefined: nothing yet. */
  #reported: string | null | undefined;
  #drift: readonly string[] = [];

  constructor(options: MachineWatchOptions) {
    this.#options = options;
  }

  /** Every second. @returns whether there is another problem, or one less, than before */
  async lookAtAge(): Promise<boolean> {
    const { age, problems, whenStale, installer, nowSeconds } = this.#options;
    const was = problems.has('stale');
    const isStale = age.isStale() && installer.installed !== undefined;
    if (isStale) this.#tellStale();
    else if (was) this.#tellHeard();
    if (whenStale === 'strict') await installer.trust(!isStale);
    const clockChanged = tellClock(problems, age);
    const hasChanged = clockChanged || was !== isStale;
    const isOld = nowSeconds() - this.#reportedAt >= reportEverySeconds;
    if (isOld || problems.text() !== this.#reported) await this.#writeReport();
    return hasChanged;
  }

  /** Every minute, and after each change of ours. @returns as lookAtAge() */
  async lookAtSshd(): Promise<boolean> {
    const { sshd, installer, problems, log } = this.#options;
    if (sshd === undefined || installer.installed === undefined) return false;
    const { targets } = installer.installed;
    const names = targets.map(({ targetName, login }) =>
      sshd.files.options.role === 'host' ? login : targetName,
    );
    const found = await checkDrift(sshd.files, names);
    const hasChanged = found.join() !== this.#drift.join();
    this.#drift = found;
    if (found.length === 0) problems.clear('drift');
    else problems.set('drift', `sshd's configuration is not as installed: ${found.join('; ')}.`);
    if (hasChanged) {
      const [level, message] =
        found.length === 0
          ? (['info', "sshd's configuration is as installed again."] as const)
          : (['error', `sshd's configuration is not as installed: ${found.join('; ')}.`] as const);
      log({ level, event: 'sshd.drift', message });
    }
    return hasChanged;
  }

  /** @returns as lookAtAge() */
  async adaptSshd(): Promise<boolean> {
    const { sshd, installer, problems } = this.#options;
    if (sshd === undefined || installer.installed === undefined) return false;
    const hasChanged = await sshd.keeper.adapt(installer.installed);
    const { problem } = sshd.keeper;
    if (problem === null) problems.clear('configuration');
    else problems.set('configuration', problem);
    return hasChanged;
  }

  async #writeReport(): Promise<void> {
    const { age, whenStale, problems, reportFile, nowSeconds } = this.#options;
    this.#reportedAt = nowSeconds();
    this.#reported = problems.text();
    const report: RunReport = {
      format: 1,
      written_at: nowSeconds(),
      heard_at: age.heardAtSeconds,
      stale: age.isStale(),
      when_stale: whenStale,
      clock_skew: age.skewSeconds(),
      problem: this.#reported,
    };
    await writeFileAtomically(reportFile, reportText(report), { mode: 0o600 });
  }

  #tellStale(): void {
    const { age, whenStale, problems, log, nowSeconds } = this.#options;
    const silence = Math.round(age.silenceSeconds());
    problems.set('stale', `This machine heard nothing from the CA for too long, and ${doing[whenStale]}.`);
    if (nowSeconds() - this.#loggedAt < logEverySeconds) return;
    this.#loggedAt = nowSeconds();
    const message = `Nothing was heard from the CA for ${silence} seconds: ${doing[whenStale]}.`;
    log({ level: 'error', event: 'state.stale', message, facts: { silence_seconds: silence } });
  }

  #tellHeard(): void {
    const { problems, log } = this.#options;
    this.#loggedAt = Number.NEGATIVE_INFINITY;
    problems.clear('stale');
    log({ level: 'info', event: 'state.fresh', message: 'The CA is heard again.' });
  }
}
