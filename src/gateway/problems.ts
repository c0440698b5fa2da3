/** What an admin must know of a companion: one sentence per subject, kept until its subject is well again. */
import { type ProcessId, readSameProcess } from './proc.ts';

/** `left` and `unknown` are processes of connections; such a problem lives exactly as long as they do. */
export type ProblemSubject =
  | 'state'
  | 'clock'
  | 'stale'
  | 'drift'
  | 'configuration'
  | 'left'
  | 'unknown'
  | 'lease';

/**
 * A state that is acknowledged with a problem does not count as in force (inventory/companion-contact.ts): ports that are
 * taken are no reason for that.
 */
export const notForTheCa: readonly ProblemSubject[] = ['configuration'];

/** What an acknowledgement takes. */
const longestText = 500;

export class Problems {
  readonly #sentences = new Map<ProblemSubject, string>();
  readonly #processes = new Map<ProblemSubject, readonly ProcessId[]>();

  set(subject: ProblemSubject, sentence: string): void {
    this.#sentences.set(subject, sentence);
  }

  /** A problem until all these processes, and those that the subject had before, have gone. */
  setWhileAlive(subject: ProblemSubject, sentence: string, processes: readonly ProcessId[]): void {
    const before = this.#processes.get(subject) ?? [];
    const isNew = (one: ProcessId) =>
      !before.some(({ pid, startTime }) => pid === one.pid && startTime === one.startTime);
    this.#processes.set(subject, [...before.filter(isAlive), ...processes.filter(isNew)]);
    this.set(subject, sentence);
  }

  clear(subject: ProblemSubject): void {
    this.#sentences.delete(subject);
    this.#processes.delete(subject);
  }

  /** Looks at the processes. @returns whether a problem has gone with the last of its own */
  forgetGone(): boolean {
    let hasCleared = false;
    for (const [subject, processes] of this.#processes) {
      const alive = processes.filter(isAlive);
      this.#processes.set(subject, alive);
      if (alive.length > 0) continue;
      this.clear(subject);
      hasCleared = true;
    }
    return hasCleared;
  }

  has(subject: ProblemSubject): boolean {
    return this.#sentences.has(subject);
  }

  /** All sentences but those about `except`; null if there is none. */
  text(except: readonly ProblemSubject[] = []): string | null {
    const told = [...this.#sentences].filter(([subject]) => !except.includes(subject));
    if (told.length === 0) return null;
    return told
      .map(([, sentence]) => sentence)
      .join(' ')
      .slice(0, longestText);
  }
}

function isAlive(one: ProcessId): boolean {
  return readSameProcess(one) !== undefined;
}
