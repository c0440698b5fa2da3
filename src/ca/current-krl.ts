/** The key revocation list that companions install: revoked serials and every canary, signed, with its version. */
import { readStateVersion } from '../revocation/state-version.ts';
import type { Issuing } from './issuing.ts';
import { budgetOf, type KrlBudget, watchBudget } from './krl-budget.ts';
import type { ListedSerials } from './listed-serials.ts';
import { type KrlContents, readKrl, type UnsignedKrl } from './read-krl.ts';
import { type KrlSignatures, signKrl } from './sign-krl.ts';

export interface CurrentKrl extends UnsignedKrl, KrlSignatures {
  readonly budget: KrlBudget;
  /** What shorter ones are cut from. */
  readonly contents: KrlContents;
  /** Why the newest list is not signed, so that this is the last one that was; undefined if it is the newest. */
  readonly behind?: unknown;
}

/**
 * Gives the list of the newest version, and makes it only where it holds an older one: after a revocation, once for all
 * who wait, and never in the transaction that revokes, which only stores a row and a version. While the CA key can't sign
 * it gives the last list that was signed, and says so: the rest of a state, ended sessions above all, must not wait.
 * @param onBudgetCrossed called when the list grows over its budget and when it is within it again
 */
export function createKrlSource(
  issuing: Issuing,
  onBudgetCrossed: (budget: KrlBudget) => void = () => {},
): () => Promise<CurrentKrl> {
  const noteBudget = watchBudget(onBudgetCrossed);
  let current: CurrentKrl | undefined;
  let making: Promise<CurrentKrl> | undefined;
  let listed: ListedSerials | undefined;

  async function make(): Promise<CurrentKrl> {
    const read = await readKrl(issuing.db, issuing.domain, listed);
    const { version, data, contents } = read;
    listed = contents.listed;
    // The list may be about the keys themselves; who signs it must be as new as the list.
    await issuing.keys.refresh();
    const budget = budgetOf(data);
    const made = { version, data, budget, contents, ...(await signKrl(issuing, version, data)) };
    if (made.isByActive) current = made;
    noteBudget(budget);
    return made;
  }

  return async () => {
    const { krlVersion } = await readStateVersion(issuing.db);
    for (;;) {
      if (current?.version === `${krlVersion}`) return current;
      // Whoever comes while one is made waits for it, and makes another only if that one began too early for them.
      making ??= make().finally(() => {
        making = undefined;
      });
      const made = await making.catch((error) => {
        if (current === undefined) throw error;
        return { ...current, behind: error };
      });
      if (made.behind !== undefined) return made;
      if (BigInt(made.version) >= krlVersion) return made;
    }
  };
}
