/** ssh-add -x and -X: while the agent is locked it offers nothing (draft-ietf-sshm-ssh-agent section 3.7). */
import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';

const delayMilliseconds = 100;
const mostDelays = 20;

export class PassphraseLock {
  #digest: Buffer | undefined;
  #salt = Buffer.alloc(0);
  #failures = 0;
  /** One try after the other, whoever tries. */
  #turn: Promise<unknown> = Promise.resolve();

  get isLocked(): boolean {
    return this.#digest !== undefined;
  }

  /** @returns false where it is locked already */
  lock(passphrase: Buffer): boolean {
    if (this.#digest) return false;
    this.#salt = randomBytes(16);
    this.#digest = scryptSync(passphrase, this.#salt, 32);
    this.#failures = 0;
    return true;
  }

  /** @returns false for a wrong passphrase, later with each one, and where nothing is locked */
  async unlock(passphrase: Buffer): Promise<boolean> {
    const mine = this.#turn.then(() => this.#try(passphrase));
    this.#turn = mine;
    return await mine;
  }

  async #try(passphrase: Buffer): Promise<boolean> {
    if (!this.#digest) return false;
    if (timingSafeEqual(scryptSync(passphrase, this.#salt, 32), this.#digest)) {
      this.#digest = undefined;
      return true;
    }
    this.#failures = Math.min(this.#failures + 1, mostDelays);
    await wait(this.#failures * delayMilliseconds);
    return false;
  }
}
