/** Everything that must be so before ssh runs: its config knows the target, and a port of the gateway answers. */
import type { SeenTarget } from '../../api/targets.ts';
import { isSallyportError, SallyportError } from '../../errors/sallyport-error.ts';
import { isTargetName } from '../../ssh/names.ts';
import type { SallyContext } from '../context.ts';
import { hostsAtHand } from '../hosts-at-hand.ts';
import { openForConnection } from '../leases.ts';
import { workingPort } from '../network/gateway-ports.ts';
import { isActive } from '../profiles/active-profile.ts';
import { callSignedIn } from '../signed-in.ts';
import { readsOurConfig } from '../ssh-command.ts';
import { gatewayStanza, hostSuffix, sallyportHost, targetStanza } from '../ssh-config-text.ts';
import { configProgram } from '../ssh-config-value.ts';
import { hostsOptions, sshConfigurationRequest, writeSshConfiguration } from '../ssh-configuration.ts';
import { withStateLock } from '../state-folder.ts';
import { hasIncludeLine } from '../user-config.ts';
import type { Seen } from './seen-targets.ts';

export interface ReadySsh {
  /** The config file for -F; null: the one that ssh reads by itself. */
  readonly configFile: string | null;
  /** What ssh calls the target. */
  readonly host: string;
  /** The target's name. */
  readonly target: string;
  /** To be told how ssh has ended: a port that does not answer any more is noticed then. @returns whether that was said */
  readonly ended: (status: number) => Promise<boolean>;
}

/** What ssh itself ends with, whatever the command at the other end says. */
const sshFailed = 255;

/** @param isBehind something else stands in front of the gateway: its ports say nothing from here */
export async function prepareSsh(
  context: SallyContext,
  seen: Seen,
  target: SeenTarget,
  { isBehind = false } = {},
): Promise<ReadySsh> {
  const [name] = target.gateways;
  const gateway = name === undefined ? undefined : seen.gateways.get(name);
  if (!gateway && target.ways.length === 0) {
    throw new SallyportError(
      'not_found',
      `No gateway serves ${target.name}, and its host lets nobody in itself. Ask an admin to give its environment a gateway.`,
    );
  }
  if (gateway?.leases && !isBehind) await openForConnection(context, gateway.name);
  const found = gateway && !isBehind ? await workingPort(context, gateway) : undefined;
  if (!(await isConfigured(context, seen, target))) await refresh(context);
  const ended = async (status: number) => {
    if (status !== sshFailed || !gateway || !found || found.isTried || gateway.ports.length < 2) return false;
    // It may have been anything; only if the port is not there any more is there something to do.
    const { port } = await workingPort(context, gateway, { again: true });
    if (port === found.port) return false;
    await refresh(context);
    context.terminal.tell(
      `sally: port ${found.port} of the gateway does not answer any more, ${port} does. Run it again.`,
    );
    return true;
  };
  const host = sallyportHost(target.name);
  return { configFile: await configFileOf(context), host, target: target.name, ended };
}

/** The server is away, but ssh may know the target since before. @throws the failure if it does not */
export async function prepareOffline(
  context: SallyContext,
  name: string | undefined,
  failure: unknown,
): Promise<ReadySsh> {
  const target = name?.replace(new RegExp(`\\.${hostSuffix}$`), '') ?? '';
  if (!isSallyportError(failure) || failure.code !== 'unavailable' || !isTargetName(target)) throw failure;
  const host = sallyportHost(target);
  const hosts = await hostsAtHand(context.paths);
  if (!hosts.split('\n').includes(`Host ${host}`)) throw failure;
  context.terminal.tell(`sally: the server does not answer; ssh goes where ${target} was last.`);
  return { configFile: await configFileOf(context), host, target, ended: async () => false };
}

async function isConfigured(context: SallyContext, seen: Seen, target: SeenTarget): Promise<boolean> {
  const hosts = await hostsAtHand(context.paths);
  const options = await hostsOptions(context);
  const { narrowed } = target;
  const [name = null] = target.gateways;
  const gateway = seen.gateways.get(name ?? '');
  const [port = 22, ...ports] = gateway?.ports ?? [];
  const place = gateway && { ...gateway, port, ports };
  const wanted = [
    ...(place ? [gatewayStanza(place, options)] : []),
    targetStanza({ ...target, gateway: name, ...(narrowed && { narrow_to: target }) }, place, options),
  ];
  const { proxy } = options;
  if (proxy !== undefined) wanted.push(configProgram(proxy));
  return wanted.every((text) => hosts.includes(text));
}

async function refresh(context: SallyContext): Promise<void> {
  const configuration = await callSignedIn(context, sshConfigurationRequest);
  await withStateLock(context.paths, () => writeSshConfiguration(context, configuration));
}

export async function configFileOf(context: SallyContext): Promise<string | null> {
  const { paths } = context;
  // ssh's own config includes that of the active profile.
  if (!isActive(paths)) return paths.profileConfig;
  if (!(await hasIncludeLine(paths))) return paths.config;
  return readsOurConfig(context) ? null : paths.userConfig;
}
