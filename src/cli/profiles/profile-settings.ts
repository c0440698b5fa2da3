/** `profile.json`: what the person has chosen for one profile, and what `sally` remembers of its server; it outlives logins. */
import { z } from 'zod';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { readPrivateFile, writeFileAtomically } from '../../files/write-file.ts';
import type { SallyContext } from '../context.ts';
import { withSettingsLock } from '../state-folder.ts';
import type { StatePaths } from '../state-paths.ts';

const anchor = z.strictObject({
  /** base64url of the SHA-256 of the certificate authority's public key (RFC 7469 section 2.4). */
  spki: z.string(),
  /** What the authority calls itself. */
  name: z.string(),
  /** Whether it is one of those that every browser knows. */
  is_public: z.boolean(),
});

const profileSettings = z.strictObject({
  v: z.literal(1),
  /** Where a login goes if nothing else is said. */
  server: z.url().nullable(),
  /** PEM file with the only certificate authorities that are believed for this profile. */
  ca_file: z.string().nullable(),
  secrets: z.enum(['file', 'keychain']),
  /** Socket of the ssh-agent that keys are added to; null: none. */
  agent: z.string().nullable().default(null),
  /** Whether a login may add its line to the person's own ssh config. */
  ssh_config: z.enum(['yes', 'ask', 'no']).default('yes'),
  /** By origin: who has vouched for the server's certificate so far. */
  anchors: z.record(z.string(), anchor),
});

export type Anchor = z.infer<typeof anchor>;
export type ProfileSettings = z.infer<typeof profileSettings>;

const nothingChosen: ProfileSettings = {
  v: 1,
  server: null,
  ca_file: null,
  secrets: 'file',
  agent: null,
  ssh_config: 'yes',
  anchors: {},
};

/** @throws file_refused, also for a file that is none of ours: what it chose must not be dropped without a word */
export async function readProfileSettings({ settings }: StatePaths): Promise<ProfileSettings> {
  const bytes = await readPrivateFile(settings);
  if (!bytes) return nothingChosen;
  const found = profileSettings.safeParse(parsed(bytes)).data;
  if (found) return found;
  throw new SallyportError(
    'file_refused',
    `${settings} is damaged, or of a newer sally. Move it away, choose again (sally profile set --help), and log in.`,
  );
}

type Change = Partial<Omit<ProfileSettings, 'v'>>;

/** @param change also as what comes of those at hand; whatever it throws, nothing has changed */
export async function changeProfileSettings(
  paths: StatePaths,
  change: Change | ((now: ProfileSettings) => Change),
): Promise<void> {
  await withSettingsLock(paths, async () => {
    const now = await readProfileSettings(paths);
    const next = profileSettings.parse({ ...now, ...(typeof change === 'function' ? change(now) : change) });
    await writeFileAtomically(paths.settings, `${JSON.stringify(next, null, 2)}\n`, { mode: 0o600 });
  });
}

/** Where a new login keeps its secrets. */
export async function secretsPlace({
  paths,
}: Pick<SallyContext, 'paths'>): Promise<ProfileSettings['secrets']> {
  return (await readProfileSettings(paths)).secrets;
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
