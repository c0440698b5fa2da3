/** Which machines were heard of lately: written down for all of them together every few seconds. */
import type { Database } from '../database/database.ts';
import { touchCompanions } from '../inventory/companion-contact.ts';

const everyMilliseconds = 5_000;
/** Small: their rows are held meanwhile, and acknowledgements wait for none. */
const rowsAtOnce = 50;

export class Contacts {
  readonly #db: Database;
  readonly #clock: () => Date;
  readonly #timer: NodeJS.Timeout;
  #heard = new Set<string>();

  constructor(db: Database, clock: () => Date) {
    this.#db = db;
    this.#clock = clock;
    this.#timer = setInterval(() => void this.#write(), everyMilliseconds).unref();
  }

  note(companionId: string): void {
    this.#heard.add(companionId);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#write();
  }

  async #write(): Promise<void> {
    const ids = [...this.#heard];
    if (ids.length === 0) return;
    this.#heard = new Set();
    for (let from = 0; from < ids.length; from += rowsAtOnce) {
      // The database may be away; whoever looks sees the machines as not seen lately, which is true.
      await touchCompanions(this.#db, ids.slice(from, from + rowsAtOnce), this.#clock()).catch(() => {});
    }
  }
}
