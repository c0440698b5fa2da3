import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '../../errors/sallyport-error.ts';
import { writeFileAtomically } from '../../files/write-file.ts';
import { agentSocketPath } from '../agent/agent-socket.ts';
import { type EnvShell, envShells, envText, shellOf } from '../agent/env-text.ts';
import { type ForwardRule, readForwardRule } from '../agent/forward-rules.ts';
import { runAgent } from '../agent/run-agent.ts';
import { askStatus, tellAgent } from '../agent/status.ts';
import { serviceUnit, serviceUnitText, socketUnit, socketUnitText } from '../agent/units.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { configPath } from '../ssh-config-value.ts';
import { prepareStateFolder } from '../state-folder.ts';
import { factLines, terminalColumns } from '../terminal.ts';
import { momentText } from '../times.ts';

export interface StartFlags {
  readonly background?: boolean;
  readonly confirm?: boolean;
  /** true: the one of SSH_AUTH_SOCK */
  readonly withAgent?: string | true;
  readonly forward?: readonly string[];
  readonly systemd?: boolean;
}

/** SD_LISTEN_FDS_START of sd_listen_fds(3). */
const firstDescriptor = 3;

/** In the foreground until it is ended, or with --background on its own. */
export async function agentStart(context: SallyContext, flags: StartFlags): Promise<ExitName> {
  const { paths, terminal, environment } = context;
  await prepareStateFolder(paths);
  const path = await agentSocketPath(context);
  const upstream = upstreamOf(context, flags, path);
  const forwardRules: ForwardRule[] = (flags.forward ?? []).map(readForwardRule);
  const line = envText(shellOf(environment.forPrograms?.['SHELL']), path);
  if (flags.background) {
    await startInBackground(context, { ...flags, ...(upstream && { withAgent: upstream }) }, path);
    terminal.print(line);
    return 'done';
  }
  await runAgent(context, {
    path,
    descriptor: flags.systemd ? firstDescriptor : undefined,
    upstream,
    confirm: flags.confirm ?? false,
    forwardRules,
    onListening: () => {
      if (!flags.systemd) terminal.print(line);
    },
  });
  return 'done';
}

/** @throws settings_invalid */
function upstreamOf(
  { environment }: SallyContext,
  { withAgent }: StartFlags,
  path: string,
): string | undefined {
  if (withAgent === undefined) return undefined;
  const socket = withAgent === true ? environment.forPrograms?.['SSH_AUTH_SOCK'] : withAgent;
  if (socket && socket !== path) return socket;
  throw new SallyportError(
    'settings_invalid',
    '--with-agent needs another agent: set SSH_AUTH_SOCK to its socket, or name it: --with-agent=/path/to/socket',
  );
}

const tries = 100;
const betweenMilliseconds = 50;

async function startInBackground(context: SallyContext, flags: StartFlags, path: string): Promise<void> {
  const { environment, runProgram, wait } = context;
  if (await askStatus(path)) {
    throw new SallyportError('in_use', 'sally agent runs already. Look with: sally agent status');
  }
  const { node, entry } = environment.program;
  const args = [entry, 'agent', 'start', ...wordsOf(flags)];
  await runProgram({ program: node, args, inBackground: true });
  for (let turn = 0; turn < tries; turn++) {
    if (await askStatus(path)) return;
    await wait(betweenMilliseconds);
  }
  throw new SallyportError('unavailable', 'The agent did not start. What it says: sally agent start');
}

function wordsOf({ confirm, withAgent, forward = [] }: StartFlags): string[] {
  return [
    ...(confirm ? ['--confirm'] : []),
    ...(withAgent === undefined ? [] : [withAgent === true ? '--with-agent' : `--with-agent=${withAgent}`]),
    ...forward.map((rule) => `--forward=${rule}`),
  ];
}

export async function agentStop(context: SallyContext): Promise<ExitName> {
  const path = await agentSocketPath(context);
  if (!(await tellAgent(path, 'stop'))) throw notRunning();
  context.terminal.print('The agent has ended; what it held is gone.');
  return 'done';
}

export async function agentStatus(
  context: SallyContext,
  { json }: { readonly json?: boolean },
): Promise<ExitName> {
  const { terminal, now } = context;
  const status = await askStatus(await agentSocketPath(context));
  if (!status) throw notRunning();
  if (json) {
    terminal.print(JSON.stringify(status === 'locked' ? { locked: true } : status, null, 2));
    return 'done';
  }
  if (status === 'locked') {
    terminal.print('The agent is locked. To unlock it: ssh-add -X');
    return 'done';
  }
  const { socket, profile, confirms, with_agent, certificates } = status;
  const facts = factLines(
    [
      ['Socket', socket],
      ['Profile', profile],
      ['Asks before each use', confirms ? 'yes' : 'no'],
      ['Other keys from', with_agent ?? 'nowhere'],
      ['Certificates', certificates.length === 0 ? 'none yet: they come when ssh asks' : ''],
    ],
    terminalColumns(context.environment),
  );
  for (const line of facts) terminal.print(line.trimEnd());
  for (const { machine, serial, valid_before } of certificates) {
    terminal.print(`  ${machine ?? 'every machine'}, until ${momentText(valid_before, now())} (${serial})`);
  }
  return 'done';
}

export async function agentEnv(
  context: SallyContext,
  { shell }: { readonly shell?: EnvShell },
): Promise<ExitName> {
  const { terminal, environment } = context;
  const told = shell ?? shellOf(environment.forPrograms?.['SHELL']);
  if (!envShells.includes(told)) throw new SallyportError('settings_invalid', `No such shell: ${told}`);
  terminal.print(envText(told, await agentSocketPath(context)));
  return 'done';
}

export interface InstallFlags extends Omit<StartFlags, 'background' | 'systemd'> {
  readonly remove?: boolean;
  /** Whether *.sallyport goes by it. */
  readonly ssh: boolean;
}

/** Units for systemd's user manager, and a line for our own ssh config. */
export async function agentInstall(context: SallyContext, flags: InstallFlags): Promise<ExitName> {
  const { paths, terminal, environment } = context;
  await prepareStateFolder(paths);
  const socket = await agentSocketPath(context);
  const folder = join(
    environment.forPrograms?.['XDG_CONFIG_HOME'] || join(paths.home, '.config'),
    'systemd',
    'user',
  );
  if (flags.remove) return await removeInstalled(context, folder);
  const upstream = upstreamOf(context, flags, socket);
  const facts = {
    socket,
    ...environment.program,
    flags: wordsOf({ ...flags, ...(upstream && { withAgent: upstream }) }),
  };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFileAtomically(join(folder, socketUnit), socketUnitText(facts), { mode: 0o644 });
  await writeFileAtomically(join(folder, serviceUnit), serviceUnitText(facts), { mode: 0o644 });
  terminal.print(`Wrote ${join(folder, socketUnit)} and ${serviceUnit}.`);
  if (flags.ssh) {
    await writeFileAtomically(paths.agentConfig, agentConfigText(socket), { mode: 0o600 });
    terminal.print(`Wrote ${paths.agentConfig}: ssh to *.sallyport asks this agent first.`);
  }
  const isOn = await systemctl(context, ['enable', '--now', socketUnit]);
  if (!isOn) {
    terminal.tell(
      'sally: systemctl did not work. To start it: systemctl --user enable --now sally-agent.socket',
    );
  }
  terminal.print('To undo it: sally agent install --remove');
  return 'done';
}

/** Read within `Match host *.sallyport`, before the lines that are for every such host. */
function agentConfigText(socket: string): string {
  return `# Written by sally agent install. Its agent shows our hosts nothing but our certificates.
  IdentityAgent ${configPath(socket)}
  IdentitiesOnly no
`;
}

async function removeInstalled(context: SallyContext, folder: string): Promise<ExitName> {
  const { paths, terminal } = context;
  const files = [join(folder, socketUnit), join(folder, serviceUnit)];
  const isHere = await readFile(files[0] ?? '').catch(() => undefined);
  if (isHere) await systemctl(context, ['disable', '--now', socketUnit, serviceUnit]);
  for (const file of [...files, paths.agentConfig]) await rm(file, { force: true });
  if (isHere) await systemctl(context, ['daemon-reload']);
  terminal.print('The units of the agent and its lines for ssh are gone.');
  return 'done';
}

async function systemctl({ runProgram, debug }: SallyContext, args: readonly string[]): Promise<boolean> {
  try {
    const reload =
      args[0] === 'enable'
        ? await runProgram({ program: 'systemctl', args: ['--user', 'daemon-reload'] })
        : 0;
    return reload === 0 && (await runProgram({ program: 'systemctl', args: ['--user', ...args] })) === 0;
  } catch (error) {
    debug.say(`systemctl: ${error}`);
    return false;
  }
}

function notRunning(): SallyportError {
  return new SallyportError('not_found', 'No agent runs here. Start one: sally agent start --background');
}
