/** So many at a time, and so many who wait for their turn in the order in which they came. */
export interface TurnsOptions {
  readonly atATime: number;
  readonly mayWait: number;
}

export class Turns {
  readonly #options: TurnsOptions;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /**
   * Waits for a turn; whoever got one gives it back with give(), in bounded time.
   * @returns false at once if too many wait already
   */
  async take(): Promise<boolean> {
    if (this.#taken < this.#options.atATime) {
      this.#taken += 1;
      return true;
    }
    if (this.#waiting.length >= this.#options.mayWait) return false;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return true;
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken -= 1;
    else next();
  }
}
