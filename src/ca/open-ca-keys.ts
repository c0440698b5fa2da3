/**
 * The CA keys that this process can sign with. It hears of every change of a generation, reads them all now and then in
 * case it did not, opens and closes signers as they come and go, and reports which ones it can sign with: a rotation
 * waits until every server process can.
 */
import { randomUUID } from 'node:crypto';
import type { DatabaseHandle } from '../database/database.ts';
import { isSallyportError, SallyportError } from '../errors/sallyport-error.ts';
import { fingerprint } from '../ssh/public-key.ts';
import { type CaKeyRecord, caKeysChannel, readCaKeys } from './ca-key-store.ts';
import { companionPatienceMilliseconds, replicaPatienceMilliseconds } from './decide-rotation.ts';
import { type CaKey, type CaKeys, type Purpose, purposes } from './issuing.ts';
import { forgetReadiness, reportReadiness } from './readiness.ts';
import { proveSigner, type SignerOpener } from './register-ca-key.ts';
import type { OpenSigner } from './signer.ts';

/** Notifications may be lost. */
const pollMilliseconds = 5_000;
const reportMilliseconds = replicaPatienceMilliseconds / 3;

export interface OpenCaKeysOptions {
  readonly database: DatabaseHandle;
  readonly openSigner: SignerOpener;
  readonly clock: () => Date;
  /** Called once for each new reason why a key can't be opened or the keys can't be read. */
  readonly onProblem: (error: unknown) => void;
  readonly pollMilliseconds?: number | undefined;
}

interface Opened {
  readonly key: CaKey;
  readonly signer: OpenSigner;
}

export class OpenCaKeys implements CaKeys {
  readonly #options: OpenCaKeysOptions;
  readonly #replica = randomUUID();
  readonly #opened = new Map<string, Opened>();
  /** Why a key is not open; told once. */
  readonly #problems = new Map<string, SallyportError>();
  #records: readonly CaKeyRecord[] = [];
  #reading: Promise<void> = Promise.resolve();
  #isAway = false;
  #reported = { at: new Date(0), text: '' };
  #stop: () => Promise<void> = async () => {};

  private constructor(options: OpenCaKeysOptions) {
    this.#options = options;
  }

  /** @throws settings_invalid, file_refused, signer_failed if a key that signs now can't be opened */
  static async open(options: OpenCaKeysOptions): Promise<OpenCaKeys> {
    const keys = new OpenCaKeys(options);
    // Listen first, then read: nothing falls between the two.
    const listener = await options.database.listen(caKeysChannel, () => void keys.#follow());
    const timer = setInterval(() => void keys.#follow(), options.pollMilliseconds ?? pollMilliseconds);
    timer.unref();
    keys.#stop = async () => {
      clearInterval(timer);
      await listener.close();
    };
    try {
      await keys.refresh();
      await keys.#report(options.clock());
      for (const purpose of purposes) {
        const active = keys.#records.find((key) => key.purpose === purpose && key.state === 'active');
        const problem = active && keys.#problems.get(active.id);
        if (problem) throw problem;
      }
    } catch (error) {
      await keys.close();
      throw error;
    }
    return keys;
  }

  active(purpose: Purpose): CaKey {
    const record = this.#records.find((each) => each.purpose === purpose && each.state === 'active');
    const opened = record && this.#opened.get(record.id);
    if (opened) return opened.key;
    throw new SallyportError('signer_failed', 'The CA key could not sign. Try again in a moment.', {
      detail: (record && this.#problems.get(record.id)?.message) ?? `no active ${purpose} CA key is open`,
    });
  }

  byId(id: string): CaKey | undefined {
    const record = this.#records.find((each) => each.id === id);
    const maySign = record?.state === 'active' || record?.state === 'retiring';
    return maySign ? this.#opened.get(id)?.key : undefined;
  }

  vouching(): readonly CaKey[] {
    return this.#records
      .filter(({ purpose, state }) => purpose === 'user' && (state === 'retiring' || state === 'retired'))
      .flatMap(({ id }) => this.#opened.get(id)?.key ?? []);
  }

  /** @throws database_unavailable; then what was known stays */
  refresh(): Promise<void> {
    const reading = this.#reading.then(() => this.#read());
    this.#reading = reading.catch(() => {});
    return reading;
  }

  /** Where nobody waits for it. That the database is away is told once. */
  async #follow(): Promise<void> {
    try {
      await this.refresh();
      await this.#report(this.#options.clock());
      this.#isAway = false;
    } catch (error) {
      if (!this.#isAway) this.#options.onProblem(error);
      this.#isAway = true;
    }
  }

  async close(): Promise<void> {
    await this.#stop();
    await this.#reading;
    await forgetReadiness(this.#options.database.db, this.#replica).catch(() => {
      // The database is away; the report gets old by itself.
    });
    const signers = [...this.#opened.values()].map(({ signer }) => signer);
    this.#opened.clear();
    for (const signer of signers) await signer.close();
  }

  async #read(): Promise<void> {
    const { database, clock } = this.#options;
    const now = clock();
    const records = (await readCaKeys(database.db)).filter((key) => isNeeded(key, now));
    await Promise.all(records.map((record) => this.#ensureOpen(record)));
    this.#records = records;
    await this.#closeAllBut(new Set(records.map(({ id }) => id)));
  }

  /** Now and then also where nothing is new: who has not reported for a while is taken for gone. */
  async #report(now: Date): Promise<void> {
    const reports = this.#records.map(({ id }) => ({
      caKeyId: id,
      problem: this.#problems.get(id)?.message ?? null,
    }));
    const text = JSON.stringify(reports);
    const { at, text: before } = this.#reported;
    if (text === before && now.getTime() - at.getTime() < reportMilliseconds) return;
    await reportReadiness(this.#options.database.db, this.#replica, reports, now);
    this.#reported = { at: now, text };
  }

  async #ensureOpen(record: CaKeyRecord): Promise<void> {
    const { id, purpose, generation, publicKey } = record;
    if (this.#opened.has(id)) return;
    try {
      const signer = await this.#openChecked(record);
      this.#opened.set(id, { signer, key: { id, purpose, generation, publicKey, signer } });
      this.#problems.delete(id);
    } catch (error) {
      const problem = cannotOpen(record, error);
      const isNew = this.#problems.get(id)?.message !== problem.message;
      this.#problems.set(id, problem);
      if (isNew) this.#options.onProblem(problem);
    }
  }

  async #openChecked({
    purpose,
    generation,
    state,
    publicKey,
    signer: uri,
  }: CaKeyRecord): Promise<OpenSigner> {
    const signer = await this.#options.openSigner(uri);
    if (signer.publicKey.equals(publicKey)) {
      // A key that signs is tried with every certificate; whether the next one can is what a rotation waits for.
      if (state === 'next') await proveSigner(signer);
      return signer;
    }
    await signer.close();
    throw new SallyportError(
      'settings_invalid',
      `The ${purpose} CA key at ${uri} is ${fingerprint(signer.publicKey)}, but this database knows generation ` +
        `${generation} as ${fingerprint(publicKey)}. Use the keys that belong to the database, or the database ` +
        'that belongs to the keys: people and machines trust the key that the database knows.',
    );
  }

  async #closeAllBut(ids: ReadonlySet<string>): Promise<void> {
    for (const id of this.#problems.keys()) if (!ids.has(id)) this.#problems.delete(id);
    for (const [id, { signer }] of this.#opened) {
      if (ids.has(id)) continue;
      this.#opened.delete(id);
      await signer.close();
    }
  }
}

/** Retired keys sign nothing; only a compromised one, for companions that know no other, signs the list that ends it. */
function isNeeded({ purpose, state, compromisedAt }: CaKeyRecord, now: Date): boolean {
  if (state !== 'retired') return true;
  if (purpose !== 'user' || compromisedAt === null) return false;
  return now.getTime() - compromisedAt.getTime() <= companionPatienceMilliseconds;
}

function cannotOpen({ purpose, generation, signer }: CaKeyRecord, error: unknown): SallyportError {
  if (isSallyportError(error)) return error;
  return new SallyportError(
    'signer_failed',
    `The ${purpose} CA key ${generation} (${signer}) can't be opened here.`,
    { detail: String(error), cause: error },
  );
}
