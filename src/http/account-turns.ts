/**
 * Turns for each account: what its logins ask for at the same time waits for itself, and nobody else for it. In the
 * database requests of one login session wait for each other, each with a connection that nobody else has then; a client
 * that asks a thousand times at once would have all of them.
 */
import { Turns, type TurnsOptions } from '../ca/signers/turns.ts';
import { SallyportError } from '../errors/sallyport-error.ts';

/** Fewer at a time than a pool has connections; a person's programs start together, a hundred jobs may too. */
const certificateTurns: TurnsOptions = { atATime: 4, mayWait: 256 };

export type AccountTurns = <Result>(accountId: string, work: () => Promise<Result>) => Promise<Result>;

/** Returns what does the work when it is its account's turn. @throws unavailable if too many of the account wait */
export function accountTurns(limits: TurnsOptions = certificateTurns): AccountTurns {
  const accounts = new Map<string, { readonly turns: Turns; present: number }>();
  return async (accountId, work) => {
    const own = accounts.get(accountId) ?? { turns: new Turns(limits), present: 0 };
    accounts.set(accountId, own);
    own.present += 1;
    try {
      if (!(await own.turns.take())) throw tooMany();
      try {
        return await work();
      } finally {
        own.turns.give();
      }
    } finally {
      own.present -= 1;
      if (own.present === 0) accounts.delete(accountId);
    }
  };
}

function tooMany(): SallyportError {
  return new SallyportError(
    'unavailable',
    'Your account asks for too many certificates at once. Wait until some have come, and try again.',
  );
}
