/**
 * Reports of an orchestrator: which instances an app has now. Those that are as they were cost nothing, and if all are,
 * no companion hears of it.
 */
import { isDeepStrictEqual } from 'node:util';
import { sql } from 'kysely';
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { InstanceState } from '../policy/facts.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { appIdOf, notThere } from './find-place.ts';
import { instanceQuery, membersOf } from './kinds/instance.ts';
import type { Write } from './kinds/kind-store.ts';
import { type InstanceOfApp, insertInstances, updateInstances } from './write-instances.ts';

export interface ReportOutcome {
  readonly created: number;
  readonly changed: number;
  readonly removed: number;
  readonly unchanged: number;
}

const mostNamesRecorded = 50;

/**
 * From now on the app has these instances and no others, but those that hosts report of themselves.
 * @throws not_found; name_taken, also if a host reports one of that name itself; request_malformed if a host is full
 */
export async function replaceInstances(
  write: Write,
  path: readonly string[],
  reported: readonly InstanceOfApp[],
): Promise<ReportOutcome> {
  const { tx, organizationId, by, now } = write;
  const appId = await appIdOf(tx, organizationId, path);
  // Reports of one app come one after the other, and none after its removal.
  await tx.selectFrom('apps').select('id').where('id', '=', appId).forNoKeyUpdate().execute();
  const [project, environment, app] = path;
  const appName = `${project}-${environment}--${app}`;
  const { created, changed, removed, unchanged } = compare(
    reported,
    await instancesOf(tx, organizationId, appId),
  );
  if (created.length + changed.length + removed.length === 0) {
    return { created: 0, changed: 0, removed: 0, unchanged };
  }
  if (removed.length > 0) {
    const gone = sql<string>`any(${removed.map(({ id }) => id)}::uuid[])`;
    await tx.deleteFrom('instances').where('id', '=', gone).execute();
  }
  const rows = { organizationId, appId, appName, reportedBy: 'orchestrator', now } as const;
  await updateInstances(tx, rows, changed);
  await insertInstances(tx, rows, created);
  const counts = { created: created.length, changed: changed.length, removed: removed.length };
  const slugs = [...created, ...changed, ...removed].map(({ slug }) => slug);
  await recordEvent(tx, {
    event: 'instances.reported',
    organizationId,
    facts: {
      by,
      app: path.join('.'),
      ...counts,
      names: slugs
        .slice(0, mostNamesRecorded)
        .map((slug) => (slug === null ? appName : `${appName}--${slug}`)),
    },
  });
  await bumpStateVersion(tx, now, { krl: false });
  return { ...counts, unchanged };
}

/** What an orchestrator or an admin says of one, however it came. Nothing happens if it is so already. */
export async function patchInstance(
  { tx, organizationId, by, now }: Write,
  targetName: string,
  patch: { readonly state?: InstanceState | undefined; readonly labels?: Record<string, string> | undefined },
): Promise<void> {
  const row = await instanceQuery(tx, organizationId)
    .select('instances.id')
    .where('instances.target_name', '=', targetName)
    .forNoKeyUpdate('instances')
    .executeTakeFirst();
  if (row === undefined) throw notThere('instance', [targetName]);
  const { state = row.state, labels = row.labels } = patch;
  if (state === row.state && isDeepStrictEqual(labels, row.labels)) return;
  await tx
    .updateTable('instances')
    .set({ state, labels: JSON.stringify(labels), reported_at: now })
    .where('id', '=', row.id)
    .execute();
  await recordEvent(tx, {
    event: 'instances.reported',
    organizationId,
    facts: {
      by,
      app: [row.project, row.environment, row.app].join('.'),
      created: 0,
      changed: 1,
      removed: 0,
      names: [targetName],
    },
  });
  await bumpStateVersion(tx, now, { krl: false });
}

interface Known extends InstanceOfApp {
  readonly id: string;
  readonly reportedBy: 'admin' | 'companion' | 'orchestrator';
}

async function instancesOf(tx: Tx, organizationId: string, appId: string): Promise<Known[]> {
  const rows = await instanceQuery(tx, organizationId)
    .select(['instances.id', 'instances.reported_by'])
    .where('instances.app_id', '=', appId)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    slug: row.slug,
    reportedBy: row.reported_by,
    members: membersOf(row),
  }));
}

function compare(reported: readonly InstanceOfApp[], known: readonly Known[]) {
  const left = new Map(known.map((instance) => [instance.slug, instance]));
  const created: InstanceOfApp[] = [];
  const changed: InstanceOfApp[] = [];
  let unchanged = 0;
  for (const instance of reported) {
    const before = left.get(instance.slug);
    left.delete(instance.slug);
    if (before === undefined) created.push(instance);
    else if (before.reportedBy === 'companion') throw ownReport(instance.slug);
    else if (before.reportedBy === 'orchestrator' && isDeepStrictEqual(before.members, instance.members)) {
      unchanged += 1;
    } else changed.push(instance);
  }
  const removed = [...left.values()].filter(({ reportedBy }) => reportedBy !== 'companion');
  return { created, changed, removed, unchanged };
}

function ownReport(slug: string | null): SallyportError {
  return new SallyportError(
    'name_taken',
    `The instance "${slug}" is reported by its own host, which announces this app. Leave it out, or take the app from the host's announcements.`,
  );
}
