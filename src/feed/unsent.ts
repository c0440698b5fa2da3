/** Companions whose newest state could not be made. Each reason is told once, however often it is tried again. */
export class Unsent {
  readonly #reasons = new Map<string, string>();
  readonly #tell: (error: unknown, companionId: string) => void;

  constructor(tell: (error: unknown, companionId: string) => void) {
    this.#tell = tell;
  }

  get companionIds(): readonly string[] {
    return [...this.#reasons.keys()];
  }

  add(companionId: string, error: unknown): void {
    const reason = String(error);
    const isNew = this.#reasons.get(companionId) !== reason;
    this.#reasons.set(companionId, reason);
    if (isNew) this.#tell(error, companionId);
  }

  delete(companionId: string): void {
    this.#reasons.delete(companionId);
  }

  /** Forgets those who are not connected any more: they are sent their state when they come back. */
  keepOnly(connected: readonly string[]): void {
    const ids = new Set(connected);
    for (const id of this.companionIds) if (!ids.has(id)) this.delete(id);
  }
}
