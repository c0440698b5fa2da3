/** Runs a job whenever asked, one run at a time; however often asked during a run, one more follows. */
export class Publisher {
  readonly #job: () => Promise<void>;
  #running: Promise<void> | null = null;
  #asked = false;

  constructor(job: () => Promise<void>) {
    this.#job = job;
  }

  ask(): void {
    this.#asked = true;
    this.#running ??= this.#run();
  }

  /** Resolves when no run is under way. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#asked) {
        this.#asked = false;
        await this.#job();
      }
    } finally {
      this.#running = null;
    }
  }
}
