/** Asks ssh itself what it makes of the person's config, and looks where in it our line stands. */
import { lstat, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SallyContext } from '../context.ts';
import { hostsAtHand } from '../hosts-at-hand.ts';
import { readSessionFacts } from '../session-file.ts';
import { readsOurConfig } from '../ssh-command.ts';
import { hostSuffix, includeLine } from '../ssh-config-text.ts';
import {
  type AskedHost,
  type ConfigFacts,
  type EarlierLine,
  optionsThatMatter,
  type SshOptions,
} from './effective-config.ts';
import { runCaptured } from './run-captured.ts';

const mostAliases = 5;
const matters: ReadonlySet<string> = new Set(optionsThatMatter);

export async function gatherConfig(context: SallyContext): Promise<ConfigFacts> {
  const { paths, environment } = context;
  const text = await readFile(paths.userConfig, 'utf8').catch(() => '');
  const isWritten = await lstat(paths.config).then(
    () => true,
    () => false,
  );
  const { include, earlier, aliases } = readUserConfig(text, includeLine(paths));
  const isAsked = isWritten && include !== 'absent';
  return {
    path: paths.userConfig,
    include,
    isWritten,
    isLoggedIn: (await readSessionFacts(context).catch(() => undefined)) !== undefined,
    readElsewhere: readsOurConfig(context) ? null : join(environment.passwdHome ?? '', '.ssh', 'config'),
    knownHosts: paths.knownHosts,
    hosts: isAsked ? await askedHosts(context, { text, include }) : [],
    earlier,
    aliases: isAsked ? await Promise.all(aliases.slice(0, mostAliases).map(asAlias(context))) : [],
  };
}

async function askedHosts(
  context: SallyContext,
  { text, include }: { readonly text: string; readonly include: ConfigFacts['include'] },
): Promise<AskedHost[]> {
  const { paths } = context;
  const names = [...(await hostsAtHand(paths)).matchAll(/^Host ([a-z0-9.-]+)$/gm)].map(
    ([, name = '']) => name,
  );
  // Gateways come first, targets last. A name that nobody has meets our part as well.
  const some = [...new Set([names[0], names.at(-1), ...(names.length > 0 ? [] : [`doctor.${hostSuffix}`])])];
  const folder = await mkdtemp(join(tmpdir(), 'sally-doctor-'));
  try {
    const first = join(folder, 'config');
    const line = includeLine(paths);
    const rest = text.split('\n').filter((one) => one.trimEnd() !== line);
    await writeFile(first, `${line}\n${rest.join('\n')}`, { mode: 0o600 });
    return await Promise.all(
      some
        .filter((host) => host !== undefined)
        .map(async (host) => {
          const theirs = await optionsOf(context, paths.userConfig, host);
          return { host, theirs, first: include === 'top' ? theirs : await optionsOf(context, first, host) };
        }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function optionsOf(context: SallyContext, config: string, host: string): Promise<SshOptions | string> {
  const { status, stdout, stderr } = await runCaptured(context, 'ssh', ['-F', config, '-G', host]);
  if (status !== 0) return stderr;
  const options = new Map<string, string[]>();
  for (const line of stdout.trim().split('\n')) {
    const at = line.indexOf(' ');
    const name = line.slice(0, at);
    options.set(name, [...(options.get(name) ?? []), line.slice(at + 1)]);
  }
  return options;
}

function asAlias(context: SallyContext) {
  return async ({ name, host }: { name: string; host: string }) => {
    const options = await optionsOf(context, context.paths.userConfig, name);
    const known = typeof options === 'string' ? [] : (options.get('userknownhostsfile') ?? []);
    return { name, host, isOurs: known.join().includes(context.paths.knownHosts) };
  };
}

interface ReadConfig {
  readonly include: ConfigFacts['include'];
  readonly earlier: readonly EarlierLine[];
  readonly aliases: readonly { readonly name: string; readonly host: string }[];
}

/** Keywords are as ssh_config(5) takes them: in any case, with blanks or one = before the value. */
export function readUserConfig(text: string, includeLineText: string): ReadConfig {
  let include: ConfigFacts['include'] = 'absent';
  let block: string | undefined;
  let isFirst = true;
  const earlier: EarlierLine[] = [];
  const aliases: { name: string; host: string }[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trimEnd() === includeLineText && include === 'absent') {
      include = block !== undefined ? 'in-block' : isFirst ? 'top' : 'later';
      continue;
    }
    const [, keyword = '', value = ''] = /^\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*?)\s*$/.exec(line) ?? [];
    const option = keyword.toLowerCase();
    if (option === '') continue;
    isFirst = false;
    if (option === 'host' || option === 'match') {
      // Host * is for all hosts, so an Include below it still counts.
      block = option === 'host' && value === '*' ? undefined : value;
    }
    if (include === 'absent' && matters.has(option)) {
      earlier.push({ number: at + 1, text: line.trim(), option });
    }
    const [alias = ''] = (block ?? '').split(/\s+/);
    const isOfOurs = option === 'hostname' && value.endsWith(`.${hostSuffix}`);
    if (isOfOurs && /^[A-Za-z0-9._-]+$/.test(alias)) aliases.push({ name: alias, host: value });
  }
  return { include, earlier, aliases };
}
