/**
 * What `sally status` shows of session.json, read without the schema: to load what schemas are made of takes longer than
 * everything else that the command does. A file that the schema would refuse counts as no login here too, as far as it
 * would be shown; a test holds the two against each other.
 */
import { readPrivateFile } from '../files/write-file.ts';
import { parseServerUrl } from './server-url.ts';
import type { SessionFacts, SessionPlace } from './session-file.ts';

export type SessionGlance = Pick<
  SessionFacts,
  | 'server'
  | 'account'
  | 'organization'
  | 'role'
  | 'session_id'
  | 'mode'
  | 'provider'
  | 'mfa'
  | 'mfa_by'
  | 'mfa_time'
  | 'amr'
  | 'expires_at'
  | 'over_since'
  | 'secrets'
  | 'key'
  | 'has_tokens'
>;

type Check = (value: unknown) => boolean;
const isText: Check = (value) => typeof value === 'string';
const isSeconds: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);

const members: Readonly<Record<Exclude<keyof SessionGlance, 'has_tokens'>, Check>> = {
  server: isText,
  account: (value) => typeof value === 'string' && /^[a-z0-9._+-]+@[a-z0-9.-]+$/.test(value),
  organization: (value) => typeof value === 'string' && /^[a-z0-9-]+$/.test(value),
  role: orNull(isText),
  session_id: (value) => typeof value === 'string' && /^[0-9a-f-]{36}$/i.test(value),
  mode: (value) => value === 'person' || value === 'machine',
  provider: orNull(isText),
  mfa: (value) => typeof value === 'boolean',
  mfa_by: (value) => [null, 'provider', 'passkey'].includes(value as null),
  mfa_time: orNull(isSeconds),
  amr: (value) => Array.isArray(value) && value.every(isText),
  expires_at: isSeconds,
  over_since: orNull(isSeconds),
  secrets: (value) => value === 'file' || value === 'keychain',
  key: isKey,
};

/** Version 2 knew one place of each. */
const ofVersion2 = { secrets: 'file', key: { kind: 'file' } };

function isKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const key: Readonly<Record<string, unknown>> = { ...value };
  if (key['kind'] === 'file') return true;
  if (key['kind'] === 'sk' && !isText(key['key_file'])) return false;
  return (key['kind'] === 'sk' || key['kind'] === 'agent') && isText(key['public_key']);
}

/** @throws file_refused, settings_invalid */
export async function glanceAtSession({
  paths,
  debug,
}: Pick<SessionPlace, 'paths' | 'debug'>): Promise<SessionGlance | undefined> {
  const bytes = await readPrivateFile(paths.session);
  if (!bytes) return undefined;
  const glance = glanceOf(bytes.toString('utf8'));
  if (!glance) {
    debug.say('session.json is not readable as a session; counts as no login');
    return undefined;
  }
  parseServerUrl(glance.server);
  return glance;
}

export function glanceOf(text: string): SessionGlance | undefined {
  const stored = documentOf(text);
  if (stored?.['v'] !== 2 && stored?.['v'] !== 3) return undefined;
  const document: Record<string, unknown> = stored['v'] === 2 ? { ...stored, ...ofVersion2 } : stored;
  const names = Object.keys(members) as (keyof typeof members)[];
  if (!names.every((name) => members[name](document[name]))) return undefined;
  const hasTokens = document['secrets'] === 'keychain' ? document['has_tokens'] : document['tokens'] !== null;
  if (typeof hasTokens !== 'boolean') return undefined;
  const shown = Object.fromEntries(names.map((name) => [name, document[name]]));
  return { ...shown, has_tokens: hasTokens } as SessionGlance;
}

function documentOf(text: string): Record<string, unknown> | undefined {
  try {
    const document: unknown = JSON.parse(text);
    return typeof document === 'object' && document !== null ? { ...document } : undefined;
  } catch {
    return undefined;
  }
}
