import type { SeenTarget } from '../../api/targets.ts';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { openBastion } from '../reach/bastions.ts';
import { findTarget, findTargets, type Selection } from '../reach/find-target.ts';
import { parseBastion, withJumpConfig } from '../reach/jump-config.ts';
import { prepareOffline, prepareSsh, type ReadySsh } from '../reach/prepare-ssh.ts';
import { requireEntry } from '../reach/require-entry.ts';
import { configArguments, runToTargets } from '../reach/run-ssh.ts';
import { type Seen, seenTargets } from '../reach/seen-targets.ts';
import { sshNameOf } from '../reach/ssh-names.ts';
import { terminalFlag } from '../reach/terminal-flag.ts';
import { hostSuffix } from '../ssh-config-text.ts';

export interface SshOptions extends Selection {
  readonly command: readonly string[];
  /** How often -t was given. */
  readonly terminals: number;
  readonly noTerminal?: boolean | undefined;
  readonly verbose: number;
  readonly agent?: boolean | undefined;
  readonly noCommand?: boolean | undefined;
  readonly local?: readonly string[] | undefined;
  readonly remote?: readonly string[] | undefined;
  readonly jump?: string | undefined;
  readonly gatewayKey?: string | undefined;
  readonly pipe?: boolean | undefined;
  readonly all?: boolean | undefined;
  readonly output?: 'json' | undefined;
}

/** Ends with the exit code of ssh, which is that of the command, or 255 where ssh itself failed. */
export async function ssh(context: SallyContext, options: SshOptions): Promise<ExitName | number> {
  const { gatewayKey, jump } = options;
  if (gatewayKey !== undefined && jump === undefined) {
    throw new SallyportError(
      'settings_invalid',
      '--gateway-key is the key for a bastion in front: name it with --jump user@bastion.',
    );
  }
  if (options.pipe || options.all || options.output) return await tell(context, options);
  const ready = await readyFor(context, options);
  const words = commandFor(options, ready);
  if (jump === undefined) return await run(context, options, { ...ready, words }, []);
  return await throughBastion(context, options, { ...ready, words }, jump);
}

interface WithWords {
  /** What ssh is given as the command. */
  readonly words: readonly string[];
}
/** `about`: what the server says; it is not there where the server is away. */
type Ready = ReadySsh & { readonly about?: SeenTarget; readonly seen?: Seen };

/** A gateway at which everybody is one user takes the command for the name of the target, and gives a shell. */
function commandFor({ command }: SshOptions, { about: target, seen }: Ready): readonly string[] {
  const gateway = seen?.gateways.get(target?.gateways[0] ?? '');
  if (target?.access !== 'relay' || !gateway || gateway.login === null) return command;
  if (command.length === 0) return [target.name];
  throw new SallyportError(
    'settings_invalid',
    `The gateway ${gateway.name} has one login for everybody, so it gives a shell and runs no commands. Leave the command away.`,
  );
}

async function readyFor(context: SallyContext, options: SshOptions): Promise<Ready> {
  let seen: Seen;
  try {
    seen = await seenTargets(context);
  } catch (error) {
    return await prepareOffline(context, options.name, error);
  }
  const target = await findTarget(context, seen, options);
  const current = await requireEntry(context, seen, target);
  const ready = await prepareSsh(context, seen, current, { isBehind: options.jump !== undefined });
  return { ...ready, about: current, seen };
}

async function throughBastion(
  context: SallyContext,
  options: SshOptions,
  { about: target, seen, ...ready }: Ready & WithWords,
  jump: string,
): Promise<number> {
  const bastion = parseBastion(jump);
  const controlPath = await openBastion(context, bastion);
  const gateway = target && seen?.gateways.get(target.gateways[0] ?? '');
  // A jump of ours comes behind the bastion's; whom it logs in as is what its own config would have said.
  const isJump = target && gateway && target.access !== 'relay';
  const own = isJump ? [`${gateway.login ?? target.name}@${gateway.name}.${hostSuffix}`] : [];
  const jumps = ['-J', [bastion.destination, ...own].join(',')];
  return await withJumpConfig(
    context,
    { bastion, key: options.gatewayKey, controlPath },
    ready.configFile,
    async (configFile) => await run(context, options, { ...ready, configFile }, jumps),
  );
}

async function run(
  context: SallyContext,
  options: SshOptions,
  { words, ...ready }: ReadySsh & WithWords,
  jumps: readonly string[],
): Promise<number> {
  const { configFile, host } = ready;
  const { command, terminals: wanted, noTerminal: unwanted = false, noCommand = false } = options;
  const flag = terminalFlag({
    wanted,
    unwanted: unwanted || noCommand,
    hasCommand: command.length > 0,
    stdinIsTerminal: context.environment.stdinIsTerminal ?? false,
  });
  const args = [
    ...configArguments(configFile),
    ...jumps,
    flag,
    ...Array.from({ length: options.verbose }, () => '-v'),
    ...(options.agent ? ['-A'] : []),
    ...(noCommand ? ['-N'] : []),
    ...(options.local ?? []).flatMap((forward) => ['-L', forward]),
    ...(options.remote ?? []).flatMap((forward) => ['-R', forward]),
    // Behind it nothing is an option, neither to ssh nor by its name.
    '--',
    host,
    ...words,
  ];
  return await runToTargets(context, { program: 'ssh', args }, [ready]);
}

/** Names instead of a connection: for plain ssh, for scripts. */
async function tell(context: SallyContext, options: SshOptions): Promise<ExitName> {
  const { terminal } = context;
  const seen = await seenTargets(context);
  const targets = options.all
    ? await findTargets(context, seen, options)
    : [await findTarget(context, seen, options)];
  for (const target of targets) await prepareSsh(context, seen, target, { isBehind: true });
  const documents = targets.map((target) => documentOf(seen, target));
  if (options.output === 'json') {
    terminal.print(JSON.stringify(options.all ? documents : documents[0], null, 2));
  } else if (options.all) {
    for (const { user, host } of documents) terminal.print(`${user}@${host}`);
  } else {
    for (const { user, host } of documents) terminal.write(`${user}@${host}`);
  }
  return 'done';
}

function documentOf(seen: Seen, target: SeenTarget) {
  const { name, alias, number, project, environment, app, instance, kind, role, state, allowed } = target;
  const gateway = seen.gateways.get(target.gateways[0] ?? '');
  const ids = { name, alias, number, project, environment, app, instance };
  return {
    ...ids,
    kind,
    role,
    state,
    allowed,
    gateway: gateway?.name ?? null,
    ...sshNameOf(target, gateway),
  };
}
