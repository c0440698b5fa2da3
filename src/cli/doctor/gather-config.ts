/** Asks ssh itself what it makes of the person's config, and looks where in it our line stands. */
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SallyContext } from '../context.ts';
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

const mostAsked = 3;
const mostAliases = 5;

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
    hosts: isAsked ? await askedHosts(context) : [],
    earlier,
    aliases: isAsked ? await Promise.all(aliases.slice(0, mostAliases).map(asAlias(context))) : [],
  };
}

async function askedHosts(context: SallyContext): Promise<AskedHost[]> {
  const { paths } = context;
  const hosts = await readFile(paths.hosts, 'utf8').catch(() => '');
  const names = [...hosts.matchAll(/^Host ([a-z0-9.-]+)$/gm)].map(([, name = '']) => name);
  // Gateways come first; the last one is a target. A name that nobody has meets our part as well.
  const some = new Set([...names.slice(0, mostAsked - 1), names.at(-1) ?? `doctor.${hostSuffix}`]);
  const asked: AskedHost[] = [];
  for (const host of some) {
    const ours = await optionsOf(context, ['-F', paths.config], host);
    const theirs = await optionsOf(context, ['-F', paths.userConfig], host);
    // Without our own part there is nothing to compare: another check says so.
    if (typeof ours !== 'string') asked.push({ host, ours, theirs });
  }
  return asked;
}

async function optionsOf(
  context: SallyContext,
  config: readonly string[],
  host: string,
): Promise<SshOptions | string> {
  const { status, stdout, stderr } = await runCaptured(context, 'ssh', [...config, '-G', host]);
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
    const options = await optionsOf(context, ['-F', context.paths.userConfig], name);
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
    if (include === 'absent' && optionsThatMatter.has(option)) {
      earlier.push({ number: at + 1, text: line.trim(), option });
    }
    const [alias = ''] = (block ?? '').split(/\s+/);
    const isOfOurs = option === 'hostname' && value.endsWith(`.${hostSuffix}`);
    if (isOfOurs && /^[A-Za-z0-9._-]+$/.test(alias)) aliases.push({ name: alias, host: value });
  }
  return { include, earlier, aliases };
}
