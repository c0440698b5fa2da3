/**
 * Installs states: checks each against the CA keys and versions of the one before, decides from it at once, and puts
 * its files in place. Whatever damages those files afterwards, they are made as they must be again.
 */
import type { CompanionState } from '../api/companions.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { type CheckedState, checkState, type StateExpectations } from './check-state.ts';
import type { DecisionBasis } from './decision-basis.ts';
import type { Enrolment } from './enrolment.ts';
import {
  checkCanaries,
  filesOf,
  type InstalledFiles,
  writeCanaries,
  writeInstalledFiles,
} from './install-state.ts';
import type { Log } from './log.ts';
import { type GeneratedUser, gatewayUsers, nameFiles } from './names.ts';
import { OneAtATime } from './one-at-a-time.ts';
import type { CompanionPaths } from './paths.ts';
import { readSavedState, writeSavedState } from './saved-state.ts';
import { writeNames } from './write-names.ts';

/** Gateways where the login name is the target's name: where to write the names, and which others they go with. */
export interface NamesToWrite {
  readonly folder: string;
  readonly home: string;
  readonly others: readonly GeneratedUser[];
}

export interface StateInstallerOptions {
  readonly paths: CompanionPaths;
  readonly enrolment: Enrolment;
  readonly hostPublicKey: string;
  readonly sshKeygen: string;
  readonly names: NamesToWrite | undefined;
  readonly basis: DecisionBasis;
  readonly log: Log;
  /** sshd reads its host certificate only when it is told to. */
  readonly onHostCertificate: () => void;
}

const noAuthorities = '# The CA was not heard for too long: nobody is trusted until it is heard again.\n';

type Versions = StateExpectations['versions'];

export class StateInstaller {
  readonly #options: StateInstallerOptions;
  /** Installing and healing write the same files. */
  readonly #fileWork = new OneAtATime();
  #pinned: readonly string[];
  #compromised: readonly string[] = [];
  #versions: Versions = { state: 0n, krl: 0n };
  #files: InstalledFiles | undefined;
  /** What the machine did not let be written, by a full disk for example. The CA does not send it again. */
  #unwritten: CheckedState | undefined;
  #installed: CompanionState | undefined;
  #isTrusted = true;

  constructor(options: StateInstallerOptions) {
    this.#options = options;
    this.#pinned = options.enrolment.userAuthorities;
  }

  /** The state whose files are in place; decisions may already be made from a newer one. */
  get installed(): CompanionState | undefined {
    return this.#installed;
  }

  /** Whether sshd is to trust any CA: it does not where nobody is to come in while the CA is not heard. */
  trust(isTrusted: boolean): Promise<void> {
    if (this.#isTrusted === isTrusted) return Promise.resolve();
    this.#isTrusted = isTrusted;
    return this.#fileWork.run(async () => {
      if (this.#files) await writeInstalledFiles(this.#options.paths, this.#asTrusted(this.#files));
    });
  }

  /** The highest that were ever installed; zero before the first. */
  get versions(): Versions {
    return this.#versions;
  }

  /** The state that an earlier companion installed, if there is one. */
  async installSaved(): Promise<void> {
    const saved = await readSavedState(this.#options.paths.state);
    if (saved === undefined) return;
    this.#pinned = saved.pinned;
    this.#compromised = saved.compromised;
    this.#versions = { state: BigInt(saved.version), krl: BigInt(saved.krlVersion) };
    this.#options.basis.age.noteSaved(saved.state.generated_at);
    await this.install(saved.state);
  }

  /** The decision is in force when this returns its promise; the files are when that resolves. */
  install(state: CompanionState): Promise<void> {
    let checked: CheckedState;
    try {
      checked = this.#check(state);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#options.basis.use(checked);
    this.#pinned = checked.authorityLines;
    this.#compromised = checked.compromisedLines;
    this.#versions = { state: BigInt(state.version), krl: BigInt(state.krl.version) };
    return this.#fileWork.run(() => this.#writeFiles(checked));
  }

  /**
   * Whatever damaged the files that sshd reads, they are as they must be again.
   * @returns whether a state that could not be written before is in place now
   */
  heal(): Promise<boolean> {
    return this.#fileWork.run(async () => {
      if (this.#unwritten !== undefined) {
        await this.#writeFiles(this.#unwritten);
        return true;
      }
      if (this.#files === undefined) return false;
      const { paths, sshKeygen, log } = this.#options;
      const healed = await writeInstalledFiles(paths, this.#asTrusted(this.#files));
      if (healed.length === 0) return false;
      log({
        level: 'error',
        event: 'files.healed',
        message: `Somebody else changed ${healed.map((name) => paths[name]).join(', ')}; written again.`,
      });
      await checkCanaries(sshKeygen, paths);
      return false;
    });
  }

  /** Resolves when no file is being written. */
  idle(): Promise<void> {
    return this.#fileWork.idle();
  }

  /** sshd reads the file at every login: one without keys, unlike one that is missing, is no error to it. */
  #asTrusted(files: InstalledFiles): InstalledFiles {
    return this.#isTrusted ? files : { ...files, userAuthorities: Buffer.from(noAuthorities) };
  }

  #check(state: CompanionState): CheckedState {
    const { enrolment, hostPublicKey } = this.#options;
    return checkState(state, {
      companionId: enrolment.companionId,
      domain: enrolment.domain,
      pinned: this.#pinned,
      compromised: this.#compromised,
      versions: this.#versions,
      hostPublicKey,
    });
  }

  async #writeFiles(checked: CheckedState): Promise<void> {
    try {
      await this.#writeAll(checked);
      this.#unwritten = undefined;
    } catch (error) {
      // What is wrong with the state itself would be no better the next time, and sshd would read it in between.
      const isOfState = isSallyportError(error) && error.code !== 'program_missing';
      this.#unwritten = isOfState ? undefined : checked;
      throw error;
    }
  }

  async #writeAll(checked: CheckedState): Promise<void> {
    const { state } = checked;
    const { paths, names, onHostCertificate } = this.#options;
    // First what ends somebody's access. Told at once: another try would find the certificate in its place already.
    if (await this.#writeForSshd(checked)) onHostCertificate();
    if (names) {
      const users = [...names.others, ...gatewayUsers(state, names.home)];
      await writeNames(names.folder, nameFiles(users));
    }
    await writeSavedState(paths.state, {
      format: 1,
      version: state.version,
      krlVersion: state.krl.version,
      pinned: [...checked.authorityLines],
      compromised: [...checked.compromisedLines],
      state,
    });
    this.#installed = state;
  }

  /** Puts the earlier files back if OpenSSH does not find the KRL in force. @returns whether the host certificate is new */
  async #writeForSshd(checked: CheckedState): Promise<boolean> {
    const { paths, sshKeygen } = this.#options;
    const previous = this.#files;
    this.#files = filesOf(checked);
    const written = await writeInstalledFiles(paths, this.#asTrusted(this.#files));
    try {
      // At the first installation too, and at another try: whoever wrote the file may have been cut off before it had asked.
      if (previous === undefined || this.#unwritten !== undefined || written.includes('revokedKeys')) {
        await writeCanaries(paths, checked.canaryLines);
        await checkCanaries(sshKeygen, paths);
      }
    } catch (error) {
      this.#files = previous;
      if (previous) await writeInstalledFiles(paths, this.#asTrusted(previous));
      throw error;
    }
    return written.includes('hostCertificate');
  }
}
