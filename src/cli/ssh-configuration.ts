/** Our files below `~/.ssh/sallyport` that ssh reads: written from what the server says, taken away again. */
import { lstat, readFile, unlink } from 'node:fs/promises';
import { type SshConfiguration, sshConfiguration } from '../api/ssh-configuration.ts';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { writeFileAtomically } from '../files/write-file.ts';
import { aliasesIn } from './aliases.ts';
import { type Credentials, callApi } from './api-client.ts';
import { byHandMachineText, byHandText } from './by-hand-text.ts';
import type { SallyContext } from './context.ts';
import type { SallyEnvironment } from './environment.ts';
import { freshCmdText, isMachineCmdText, neverCmdText } from './fresh-cmd.ts';
import { freshScriptText, isMachineScriptText } from './fresh-script.ts';
import { rememberedPorts } from './network/gateway-ports.ts';
import { isActive } from './profiles/active-profile.ts';
import { allProfiles } from './profiles/all-profiles.ts';
import { proxyScriptText } from './proxy-script.ts';
import {
  asMachineText,
  type HostsOptions,
  hostsText,
  knownHostsText,
  sallyportConfigText,
} from './ssh-config-text.ts';
import type { StatePaths } from './state-paths.ts';
import { stepUpConfigText, stepUpScriptText } from './step-up-script.ts';
import { userConfigText } from './user-config.ts';

export const sshConfigurationRequest = {
  method: 'GET',
  path: '/v1/ssh-configuration',
  reply: sshConfiguration,
} as const;

/** Writes what differs. All texts are made before the first is written, so that a refused one changes nothing. */
export async function writeSshConfiguration(
  context: SallyContext,
  configuration: SshConfiguration,
): Promise<void> {
  const { paths, environment } = context;
  const options = await hostsOptions(context);
  const aliases = aliasesIn(await userConfigText(paths));
  const proxy = { path: paths.proxy, text: proxyScriptText(environment.program), mode: 0o700 };
  const files = [
    ...(options.proxy === undefined ? [] : [proxy]),
    { path: paths.byHand, text: byHandText(configuration, paths, options, aliases), mode: 0o600 },
    { path: paths.byHandMachine, text: byHandMachineText(configuration, paths, aliases), mode: 0o600 },
    { path: paths.hosts, text: hostsText(configuration, options), mode: 0o600 },
    { path: paths.knownHosts, text: knownHostsText(configuration), mode: 0o600 },
    { path: paths.stepUpConfig, text: stepUpConfigText(configuration, paths), mode: 0o600 },
    ...filesOfSally(context),
  ];
  // Programs first: what names them goes by how they end.
  files.sort((one, other) => other.mode - one.mode);
  for (const { path, text, mode } of files) {
    if (!(await isAlready(path, text, mode))) await writeFileAtomically(path, text, { mode });
  }
}

/** Those whose text is sally's own, whatever the server says. */
export function filesOfSally({ paths, environment }: Pick<SallyContext, 'paths' | 'environment'>) {
  const text = sallyportConfigText(paths);
  // What ssh includes is the active profile's, and no other's renewal changes it.
  const configs = [paths.profileConfig, ...(isActive(paths) ? [paths.config] : [])];
  return [
    { path: paths.fresh, text: freshScriptText(paths, environment.program), mode: 0o700 },
    { path: paths.stepUp, text: stepUpScriptText(paths, environment.program), mode: 0o700 },
    { path: paths.isMachine, text: isMachineScriptText(), mode: 0o700 },
    { path: paths.asMachine, text: asMachineText(paths), mode: 0o600 },
    ...(environment.platform === 'win32' ? filesForCmd(paths, environment.program) : []),
    ...configs.map((path) => ({ path, text, mode: 0o600 })),
  ];
}

/** On Windows ssh runs these in place of the scripts beside them. */
function filesForCmd(paths: StatePaths, program: SallyEnvironment['program']) {
  return [
    { path: `${paths.fresh}.cmd`, text: freshCmdText(paths, program), mode: 0o700 },
    { path: `${paths.isMachine}.cmd`, text: isMachineCmdText(), mode: 0o700 },
    { path: `${paths.stepUp}.cmd`, text: neverCmdText(), mode: 0o700 },
  ];
}

/** What belongs to this machine and the network that it is in. */
export async function hostsOptions(context: SallyContext): Promise<HostsOptions> {
  const { paths, environment } = context;
  const ports = await rememberedPorts(context);
  // Once there was a proxy, ssh looks for one each time: it may be there in one terminal and not in the next.
  const { all, https, http } = environment.proxies ?? {};
  const wasThere = await lstat(paths.proxy).catch(() => undefined);
  return { ports, ...((all || https || http || wasThere) && { proxy: paths.proxy }) };
}

/** With each renewal: machines move and host CAs change. What fails here is tried again at the next. */
export async function refreshSshConfiguration(
  context: SallyContext,
  credentials: Credentials,
): Promise<void> {
  const installed = await lstat(context.paths.config).catch(() => undefined);
  if (!installed) return;
  try {
    await writeSshConfiguration(context, await callApi(context, credentials, sshConfigurationRequest));
  } catch (error) {
    if (!isSallyportError(error)) throw error;
    context.debug.say(`the ssh config stays as it is: ${error.code}: ${error.message}`);
  }
}

/** @returns the files that are gone now */
export async function removeSshConfiguration({ paths }: SallyContext): Promise<string[]> {
  const gone: string[] = [];
  const profiles = await allProfiles(paths);
  const ofProfiles = profiles.flatMap((own) => [
    own.profileConfig,
    own.hosts,
    own.byHand,
    own.byHandMachine,
    own.knownHosts,
    own.fresh,
    own.stepUp,
    own.stepUpConfig,
    own.ports,
    own.renewing,
    own.told,
  ]);
  const forCmd = [paths.isMachine, ...profiles.flatMap((own) => [own.fresh, own.stepUp])];
  const all = [
    paths.config,
    ...ofProfiles,
    paths.isMachine,
    paths.asMachine,
    paths.proxy,
    ...forCmd.map((path) => `${path}.cmd`),
  ];
  for (const path of all) {
    if (!(await lstat(path).catch(() => undefined))) continue;
    await unlink(path).catch(ignoreMissing);
    gone.push(path);
  }
  return gone;
}

async function isAlready(path: string, text: string, mode: number): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  if (!found?.isFile() || found.nlink !== 1 || (found.mode & 0o777) !== mode) return false;
  return (await readFile(path, 'utf8')) === text;
}
