/**
 * How large a revocation list may be. sshd loads the whole file four times per login, in time quadratic in its size:
 * 80 KB, which is 10,000 serials far apart, cost a login about 20 ms, ten times as much half a second.
 */
export const krlBudgetBytes = 80_000;

export interface KrlBudget {
  readonly bytes: number;
  readonly limit: number;
}

export function budgetOf(krl: Uint8Array): KrlBudget {
  return { bytes: krl.length, limit: krlBudgetBytes };
}

export function isOverBudget({ bytes, limit }: KrlBudget): boolean {
  return bytes > limit;
}

/** For a log and for whoever asks how the list stands. */
export function budgetMessage(budget: KrlBudget): string {
  const size = `The revocation list has ${budget.bytes} of ${budget.limit} bytes`;
  if (!isOverBudget(budget)) return `${size}.`;
  return `${size}: over its budget, so that every login through sshd takes longer. Entries leave an hour after their certificates end; shorter certificates keep the list short.`;
}

/** Calls back when a list is over its budget and the one before was not, and when it is within it again. */
export function watchBudget(onCrossing: (budget: KrlBudget) => void): (budget: KrlBudget) => void {
  let wasOver = false;
  return (budget) => {
    if (isOverBudget(budget) === wasOver) return;
    wasOver = !wasOver;
    onCrossing(budget);
  };
}
