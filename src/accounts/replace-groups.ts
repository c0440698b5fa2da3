import type { Tx } from '../database/database.ts';

/** Makes `groups` the account's groups. Returns whether anything changed. */
export async function replaceGroups(tx: Tx, accountId: string, groups: readonly string[]): Promise<boolean> {
  const rows = await tx
    .selectFrom('account_groups')
    .select('group_name')
    .where('account_id', '=', accountId)
    .execute();
  const before = new Set(rows.map((row) => row.group_name));
  const after = new Set(groups);
  const left = [...before].filter((group) => !after.has(group));
  const joined = [...after].filter((group) => !before.has(group));
  if (left.length > 0) {
    await tx
      .deleteFrom('account_groups')
      .where('account_id', '=', accountId)
      .where('group_name', 'in', left)
      .execute();
  }
  if (joined.length > 0) {
    const values = joined.map((group_name) => ({ account_id: accountId, group_name }));
    await tx.insertInto('account_groups').values(values).execute();
  }
  return left.length + joined.length > 0;
}
