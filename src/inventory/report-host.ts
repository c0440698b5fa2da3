/**
 * What a host says of what runs on it. It may say that it is an instance of an app that an admin lets it announce, named
 * as the machine is, and it may say in which state the instances are that are on it: names, addresses and logins are
 * never its word.
 */
import { isDeepStrictEqual } from 'node:util';
import { recordEvent } from '../audit/record-event.ts';
import type { Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { InstanceState } from '../policy/facts.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';
import { notEnrolled } from './companion.ts';
import { insertInstances } from './write-instances.ts';

export interface HostReport {
  readonly state: InstanceState;
  /** Of the instances that it announces; absent: as they were. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** @returns the targets that the machine is, by name @throws forbidden for a gateway; token_invalid; name_taken */
export async function reportHost(
  tx: Tx,
  companionId: string,
  report: HostReport,
  now: Date,
): Promise<string[]> {
  const host = await lockHost(tx, companionId);
  const created = await announce(tx, host, report, now);
  const known = await tx
    .selectFrom('instances')
    .select(['id', 'target_name', 'state', 'labels', 'reported_by', 'address', 'port'])
    .where('host_id', '=', host.id)
    .orderBy('target_name')
    .forNoKeyUpdate()
    .execute();
  const changed: string[] = [];
  for (const instance of known) {
    const isOwn = instance.reported_by === 'companion';
    const { state } = report;
    // What others made is theirs, but for the state that it is in.
    const labels = isOwn ? (report.labels ?? instance.labels) : instance.labels;
    const { address, port } = isOwn ? host : instance;
    const is = { state, labels, address, port };
    const was = {
      state: instance.state,
      labels: instance.labels,
      address: instance.address,
      port: instance.port,
    };
    if (isDeepStrictEqual(is, was)) continue;
    changed.push(instance.target_name);
    await tx
      .updateTable('instances')
      .set({ ...is, labels: JSON.stringify(labels), reported_at: now })
      .where('id', '=', instance.id)
      .execute();
  }
  if (created.length + changed.length > 0) {
    await recordEvent(tx, {
      event: 'instances.reported',
      organizationId: host.organization_id,
      facts: {
        by: host.name,
        app: null,
        created: created.length,
        changed: changed.length,
        removed: 0,
        names: [...created, ...changed],
      },
    });
    await bumpStateVersion(tx, now, { krl: false });
  }
  return known.map(({ target_name }) => target_name);
}

async function lockHost(tx: Tx, companionId: string) {
  const row = await tx
    .selectFrom('companions')
    .select(['id', 'kind', 'name', 'organization_id', 'address', 'port', 'revoked_at'])
    .where('id', '=', companionId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (row === undefined || row.revoked_at !== null) throw notEnrolled();
  if (row.kind === 'host') return row;
  throw new SallyportError('forbidden', 'A gateway is no instance. Only hosts report what runs on them.');
}

/** Makes the instances that are missing. @returns their target names */
async function announce(
  tx: Tx,
  host: Awaited<ReturnType<typeof lockHost>>,
  { state, labels = {} }: HostReport,
  now: Date,
): Promise<string[]> {
  const missing = await tx
    .selectFrom('companion_apps')
    .innerJoin('apps', 'apps.id', 'companion_apps.app_id')
    .innerJoin('environments', 'environments.id', 'apps.environment_id')
    .innerJoin('projects', 'projects.id', 'environments.project_id')
    .leftJoin('instances', (join) =>
      join.onRef('instances.app_id', '=', 'apps.id').on('instances.slug', '=', host.name),
    )
    .select(['apps.id', 'apps.slug as app', 'companion_apps.login'])
    .select(['environments.slug as environment', 'projects.slug as project'])
    .where('companion_apps.companion_id', '=', host.id)
    // One of the name that somebody else made stays theirs.
    .where('instances.id', 'is', null)
    .orderBy('apps.id')
    .execute();
  const names: string[] = [];
  for (const { id: appId, app, environment, project, login } of missing) {
    const appName = `${project}-${environment}--${app}`;
    const { organization_id: organizationId, address, port, name: slug } = host;
    const members = {
      address,
      port,
      login,
      host: slug,
      state,
      kind: 'instance',
      role: null,
      labels: { ...labels },
    } as const;
    const write = { organizationId, appId, appName, reportedBy: 'companion', now } as const;
    await insertInstances(tx, write, [{ slug, members }]);
    names.push(`${appName}--${slug}`);
  }
  return names;
}
