import { rm } from 'node:fs/promises';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { confirmed } from '../confirmed.ts';
import { nowSeconds, type SallyContext } from '../context.ts';
import { currentPair } from '../current-pair.ts';
import { dpopNonce } from '../dpop-nonce.ts';
import type { ExitName } from '../exit-codes.ts';
import { printTable } from '../print-table.ts';
import { activeProfile, isProfile } from '../profiles/active-profile.ts';
import { allProfiles } from '../profiles/all-profiles.ts';
import { changeProfileSettings, readProfileSettings } from '../profiles/profile-settings.ts';
import { switchProfile } from '../profiles/switch-profile.ts';
import { parseServerUrl } from '../server-url.ts';
import { readSessionFacts } from '../session-file.ts';
import { prepareStateFolder, withStateLock } from '../state-folder.ts';
import { defaultProfile, type StatePaths, statePaths } from '../state-paths.ts';
import { momentText } from '../times.ts';
import { readCaFile } from '../tls/ca-file.ts';

interface AsJson {
  readonly json?: boolean;
}

export async function profileList(context: SallyContext, options: AsJson): Promise<ExitName> {
  const { terminal } = context;
  const paths = pathsOf(context, defaultProfile);
  const active = activeProfile(paths);
  const found = await Promise.all((await allProfiles(paths)).map((own) => describe(context, own, active)));
  if (options.json) {
    terminal.print(JSON.stringify({ profiles: found }, null, 2));
    return 'done';
  }
  const rows = found.map((one) => [
    one.active ? '*' : '',
    one.name,
    one.account ?? '-',
    one.server ?? '-',
    stateText(context, one),
  ]);
  printTable(context, ['', 'PROFILE', 'ACCOUNT', 'SERVER', 'LOGIN'], rows);
  return 'done';
}

export async function profileUse(context: SallyContext, name: string, options: AsJson): Promise<ExitName> {
  const { terminal } = context;
  const paths = existing(context, name);
  const from = await switchProfile(context, paths);
  const found = await describe(context, paths, name);
  if (options.json) {
    terminal.print(JSON.stringify({ active: name, before: from }));
    return 'done';
  }
  const who = found.account === null ? 'where nobody is logged in' : `${found.account} at ${found.server}`;
  terminal.say(
    `${from === name ? 'ssh goes by' : 'From now on ssh goes by'} the profile ${terminal.bold(name)}: ${who}.`,
  );
  if (found.state !== 'logged-in') terminal.print('Next: sally login');
  return 'done';
}

export interface ProfileChoices {
  readonly server?: string;
  /** false: the system's certificate authorities again. */
  readonly caFile?: string | false;
  readonly keychain?: boolean;
}

export async function profileAdd(
  context: SallyContext,
  name: string,
  options: ProfileChoices & { readonly server: string },
): Promise<ExitName> {
  const { terminal } = context;
  const paths = pathsOf(context, name);
  if (isProfile(paths)) {
    throw new SallyportError(
      'settings_invalid',
      `There is a profile ${name} already. To change it: sally profile set ${name} --help`,
    );
  }
  const choices = await choicesOf(options);
  await prepareStateFolder(pathsOf(context, defaultProfile));
  const isFirst = await nothingInUse(context);
  await prepareStateFolder(paths);
  await withStateLock(paths, () => changeProfileSettings(paths, choices));
  if (options.keychain) {
    const { moveSecrets } = await import('../keychain/move-secrets.ts');
    await moveSecrets({ ...context, paths }, 'keychain');
  }
  if (isFirst) await switchProfile(context, paths);
  terminal.print(`Added the profile ${name}.${isFirst ? ' ssh goes by it, as by the first one.' : ''}`);
  terminal.print(`Next: sally login${isFirst ? '' : ` --profile ${name}`}`);
  return 'done';
}

export async function profileSet(
  context: SallyContext,
  name: string | undefined,
  options: ProfileChoices & AsJson,
): Promise<ExitName> {
  const { terminal } = context;
  const paths = name === undefined ? context.paths : existing(context, name);
  const choices = await choicesOf(options);
  if (options.keychain !== undefined) {
    const { moveSecrets } = await import('../keychain/move-secrets.ts');
    await moveSecrets({ ...context, paths }, options.keychain ? 'keychain' : 'file');
  }
  if (Object.keys(choices).length > 0)
    await withStateLock(paths, () => changeProfileSettings(paths, choices));
  const { server, ca_file, secrets } = await readProfileSettings(paths);
  if (options.json) {
    terminal.print(JSON.stringify({ profile: paths.profile, server, ca_file, secrets }));
    return 'done';
  }
  terminal.print(`profile   ${paths.profile}`);
  terminal.print(`server    ${server ?? 'that of the login'}`);
  terminal.print(`CA file   ${ca_file ?? 'none: the authorities that this machine trusts'}`);
  terminal.print(
    `secrets   ${secrets === 'file' ? 'in a file that only you can read' : 'sealed, with the key in the keychain'}`,
  );
  return 'done';
}

/** Ends its session first: what was there must not live on where nobody sees it. */
export async function profileRemove(
  context: SallyContext,
  name: string,
  options: { readonly yes?: boolean },
): Promise<ExitName> {
  const paths = existing(context, name);
  if (name === defaultProfile || name === activeProfile(paths)) {
    throw new SallyportError(
      'settings_invalid',
      name === defaultProfile
        ? 'The default profile stays. To empty it: sally logout --profile default'
        : `ssh goes by the profile ${name}. Switch first: sally profile use ${defaultProfile}`,
    );
  }
  if (!options.yes) await confirmed(context, `Log out of ${name} and delete it?`, 'Nothing was removed.');
  const { logout } = await import('./logout.ts');
  const exit = await logout({ ...context, paths, machine: undefined, nonce: dpopNonce() }, {});
  await rm(paths.personOwn, { recursive: true, force: true });
  context.terminal.print(`Removed the profile ${name}.`);
  return exit;
}

/** What is known of a server's certificate is forgotten; the next one that this machine believes is remembered. */
export async function profileTrust(
  context: SallyContext,
  options: { readonly yes?: boolean },
): Promise<ExitName> {
  const { paths, terminal } = context;
  const { anchors } = await readProfileSettings(paths);
  for (const [origin, { name }] of Object.entries(anchors)) terminal.print(`${origin} until now: ${name}`);
  if (!options.yes) {
    const question = 'Was the change of its certificate announced to you by whoever runs the server?';
    await confirmed(context, question, 'Nothing was changed.');
  }
  await withStateLock(paths, () => changeProfileSettings(paths, { anchors: {} }));
  terminal.say('Forgotten. Whoever vouches for it at the next request is remembered. Next: sally login');
  return 'done';
}

type State = 'logged-in' | 'over' | 'out';

async function describe(context: SallyContext, paths: StatePaths, active: string) {
  const session = await readSessionFacts({ ...context, paths }).catch(() => undefined);
  const pair = await currentPair(paths).catch(() => undefined);
  const settings = await readProfileSettings(paths).catch(() => undefined);
  const isLive = session?.has_tokens && session.expires_at > nowSeconds(context);
  const state: State = isLive ? 'logged-in' : session ? 'over' : 'out';
  return {
    name: paths.profile,
    active: paths.profile === active,
    server: session?.server ?? settings?.server ?? null,
    account: session?.account ?? null,
    state,
    session_expires_at: session?.expires_at ?? null,
    certificate_valid_before: pair?.validBefore ?? null,
    secrets: session?.secrets ?? settings?.secrets ?? 'file',
  };
}

function stateText(
  context: SallyContext,
  { state, session_expires_at }: { state: State; session_expires_at: number | null },
): string {
  if (state !== 'logged-in' || session_expires_at === null) return state === 'over' ? 'over' : '-';
  return `until ${momentText(session_expires_at, context.now())}`;
}

function pathsOf({ environment }: SallyContext, name: string): StatePaths {
  return statePaths(environment.home ?? environment.passwdHome, 'person', name);
}

function existing(context: SallyContext, name: string): StatePaths {
  const paths = pathsOf(context, name);
  if (isProfile(paths)) return paths;
  throw new SallyportError(
    'not_found',
    `There is no profile ${name}. To see yours: sally profile list; to make it: sally profile add ${name} --server URL`,
  );
}

/** Nobody has logged in or switched here yet. */
async function nothingInUse(context: SallyContext): Promise<boolean> {
  const paths = pathsOf(context, defaultProfile);
  const others = await allProfiles(paths);
  return others.length === 1 && (await readSessionFacts({ ...context, paths })) === undefined;
}

async function choicesOf({ server, caFile }: ProfileChoices) {
  const ca_file = typeof caFile === 'string' ? (await readCaFile(caFile)).path : null;
  return {
    ...(server !== undefined && { server: parseServerUrl(server).origin }),
    ...(caFile !== undefined && { ca_file }),
  };
}
