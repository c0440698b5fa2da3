/**
 * Revocation lists that are cut to what can matter to a machine, where the whole one is over its budget: of its
 * organization's people those whom its facts name, since everybody else is a stranger to it and refused; what hop CAs
 * signed, on hosts only; and always every canary, every range and every revoked key. The version is the whole list's,
 * and the comment says for whom it is, under the signature.
 */
import { krlAudience } from '../api/companions.ts';
import { SerialSet } from '../ssh/serial-set.ts';
import type { CaKeyRecord } from './ca-key-store.ts';
import type { CurrentKrl } from './current-krl.ts';
import type { Issuing } from './issuing.ts';
import { budgetOf, isOverBudget } from './krl-budget.ts';
import type { SerialsOfKey } from './listed-serials.ts';
import { krlOf } from './read-krl.ts';
import { signKrl } from './sign-krl.ts';

/** Who decides with it, and about whom. */
export interface KrlAudience {
  readonly kind: 'gateway' | 'host';
  readonly accounts: readonly { readonly name: string; readonly number: number }[];
}

export type KrlNarrower = (whole: CurrentKrl, audience: KrlAudience) => Promise<CurrentKrl>;

/** Lists that are kept for machines of the same audience, 80 KB each. */
const keptLists = 500;

/** The whole list where that is within its budget, and where a shorter one can't be signed. */
export function createKrlNarrower(issuing: Issuing): KrlNarrower {
  let version = '';
  const lists = new Map<string, Promise<CurrentKrl>>();

  async function make(whole: CurrentKrl, audience: KrlAudience, words: string): Promise<CurrentKrl> {
    const numbers = new Set(audience.accounts.map((account) => account.number));
    const serialsOf = ({ purpose }: CaKeyRecord, all: SerialsOfKey) =>
      purpose === 'hop' && audience.kind === 'gateway' ? SerialSet.of([]) : serialsFor(all, numbers);
    const { data } = krlOf(whole.contents, `sallyport ${issuing.domain}${words}`, serialsOf);
    const signed = await signKrl(issuing, whole.version, data);
    return { ...whole, data, ...signed, budget: budgetOf(data) };
  }

  return async (whole, audience) => {
    if (!isOverBudget(whole.budget) || whole.behind !== undefined) return whole;
    if (version !== whole.version) lists.clear();
    version = whole.version;
    const words = krlAudience(
      audience.kind,
      audience.accounts.map(({ name }) => name),
    );
    const list = lists.get(words) ?? make(whole, audience, words);
    // The one that was used last is the last to go.
    lists.delete(words);
    lists.set(words, list);
    for (const oldest of lists.keys()) if (lists.size > keptLists) lists.delete(oldest);
    return await list.catch(() => {
      if (lists.get(words) === list) lists.delete(words);
      return whole;
    });
  };
}

/** Where in a key's serials each account's are. Made when first asked for: only long lists are cut. */
const places = new WeakMap<SerialsOfKey, ReadonlyMap<number, readonly number[]>>();

function serialsFor(all: SerialsOfKey, accounts: ReadonlySet<number>): SerialSet {
  const byAccount = places.get(all) ?? placesOf(all);
  places.set(all, byAccount);
  // What is nobody's is everybody's business.
  const wanted = [0, ...accounts].flatMap((account) => byAccount.get(account) ?? []);
  return SerialSet.of(BigUint64Array.from(wanted, (place) => all.serials[place] ?? 0n));
}

function placesOf({ accounts }: SerialsOfKey): ReadonlyMap<number, readonly number[]> {
  const found = new Map<number, number[]>();
  for (const [place, account] of accounts.entries()) {
    const known = found.get(account);
    if (known) known.push(place);
    else found.set(account, [place]);
  }
  return found;
}
