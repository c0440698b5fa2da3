/** What an organization asks of logins, and how long they last. */
import { recordEvent } from '../audit/record-event.ts';
import type { Database, Tx } from '../database/database.ts';
import { SallyportError } from '../errors/sallyport-error.ts';
import type { HardwareKeys, MfaSource, SourcePinning } from '../policy/facts.ts';
import { bumpStateVersion } from '../revocation/state-version.ts';

/** As API, setup file and audit events write it. */
export interface LoginPolicyDocument {
  readonly mfa_required: boolean;
  readonly mfa_sources: readonly MfaSource[];
  /** RFC 8176 names, one of which a second factor must have been; null: any. */
  readonly mfa_methods: readonly string[] | null;
  readonly mfa_max_age_seconds: number | null;
  /** AAGUIDs of passkeys; null: any. */
  readonly passkey_models: readonly string[] | null;
  readonly session_max_seconds: number;
  readonly session_idle_seconds: number | null;
  readonly outage_grace_seconds: number;
  readonly device_login: 'off' | 'same-network' | 'on';
  readonly ssh_codes: boolean;
  readonly machine_access: boolean;
  readonly source_pinning: SourcePinning;
  readonly registered_keys: boolean;
  readonly max_connection_seconds: number | null;
  readonly idle_timeout_seconds: number | null;
  readonly hardware_keys: HardwareKeys;
  readonly hardware_attestation: 'off' | 'required';
  /** AAGUIDs; null: any. */
  readonly hardware_models: readonly string[] | null;
  /** Certificates of makers' authorities, PEM. */
  readonly hardware_authorities: readonly string[];
}

const columns = [
  'mfa_required',
  'mfa_sources',
  'mfa_methods',
  'mfa_max_age_seconds',
  'passkey_models',
  'session_max_seconds',
  'session_idle_seconds',
  'outage_grace_seconds',
  'device_login',
  'ssh_codes',
  'machine_access',
  'source_pinning',
  'registered_keys',
  'max_connection_seconds',
  'idle_timeout_seconds',
  'hardware_keys',
  'hardware_attestation',
  'hardware_models',
  'hardware_authorities',
] as const satisfies readonly (keyof LoginPolicyDocument)[];

/** @throws not_found */
export async function readLoginPolicy(db: Database, organizationId: string): Promise<LoginPolicyDocument> {
  const row = await db
    .selectFrom('organizations')
    .select(columns)
    .where('id', '=', organizationId)
    .executeTakeFirst();
  if (row) return row;
  throw new SallyportError('not_found', 'There is no such organization.');
}

/** Changes what `change` names and records old and new values. Sessions that live go by it at their next step. */
export async function changeLoginPolicy(
  tx: Tx,
  {
    organizationId,
    change,
    by,
  }: { organizationId: string; change: Partial<LoginPolicyDocument>; by: string },
  now: Date,
): Promise<LoginPolicyDocument> {
  const { before, after, changed } = await writeLoginPolicy(tx, organizationId, change);
  if (changed.length === 0) return before;
  const values = (of: LoginPolicyDocument) => Object.fromEntries(changed.map((name) => [name, of[name]]));
  await recordEvent(tx, {
    event: 'login_policy.changed',
    organizationId,
    facts: { before: values(before), after: values(after), by },
  });
  await bumpStateVersion(tx, now, { krl: false });
  return after;
}

/** The change alone, of which neither a log nor a machine hears: for what is only tried. */
export async function writeLoginPolicy(
  tx: Tx,
  organizationId: string,
  change: Partial<LoginPolicyDocument>,
): Promise<{
  readonly before: LoginPolicyDocument;
  readonly after: LoginPolicyDocument;
  readonly changed: readonly (typeof columns)[number][];
}> {
  await tx
    .selectFrom('organizations')
    .select('id')
    .where('id', '=', organizationId)
    .forNoKeyUpdate()
    .execute();
  const before = await readLoginPolicy(tx, organizationId);
  const after: LoginPolicyDocument = { ...before, ...change };
  const changed = columns.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  if (changed.length === 0) return { before, after, changed };
  await tx
    .updateTable('organizations')
    .set({
      ...after,
      mfa_sources: [...after.mfa_sources],
      mfa_methods: after.mfa_methods && [...after.mfa_methods],
      passkey_models: after.passkey_models && [...after.passkey_models],
      hardware_models: after.hardware_models && [...after.hardware_models],
      hardware_authorities: [...after.hardware_authorities],
    })
    .where('id', '=', organizationId)
    .execute();
  return { before, after, changed };
}
