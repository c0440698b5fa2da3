/** The agent as a process: listens, serves, keeps the certificate of ssh fresh, until somebody ends it. */
import { nowSeconds, type SallyContext } from '../context.ts';
import { activeProfile, isActive } from '../profiles/active-profile.ts';
import { statePaths } from '../state-paths.ts';
import { type AgentSocket, listenForAgents, listenOnDescriptor } from './agent-socket.ts';
import { confirmUse } from './confirm-use.ts';
import type { ForwardRule } from './forward-rules.ts';
import { HeldCertificates } from './held-certificates.ts';
import { keepFresh } from './keep-fresh.ts';
import { ourMachine } from './our-machines.ts';
import { serveAgent } from './serve-agent.ts';
import { type AgentStatus, statusText } from './status.ts';

export interface RunOptions {
  readonly path: string;
  /** The first descriptor that systemd passes on; undefined: the agent makes its socket itself. */
  readonly descriptor: number | undefined;
  /** Socket of the agent whose other keys are passed through. */
  readonly upstream: string | undefined;
  readonly confirm: boolean;
  readonly forwardRules: readonly ForwardRule[];
  readonly onListening: () => void;
}

const ending = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** @throws in_use, file_refused, settings_invalid */
export async function runAgent(given: SallyContext, options: RunOptions): Promise<void> {
  const { path, descriptor, upstream, forwardRules } = options;
  const confirm = options.confirm ? confirmUse(given) : undefined;
  const context = contextNow(given);
  const held = new HeldCertificates(context);
  const { debug } = given;
  const socket: AgentSocket =
    descriptor === undefined ? await listenForAgents(path) : await listenOnDescriptor(descriptor, path);

  const stopping = new AbortController();
  const stop = () => stopping.abort();
  const status = (isLocked: boolean): AgentStatus => ({
    pid: process.pid,
    socket: path,
    profile: context().paths.profile,
    locked: isLocked,
    confirms: confirm !== undefined,
    with_agent: upstream ?? null,
    certificates: held.all().map(({ account, machine, serial, validBefore }) => ({
      account,
      machine: machine?.names[0] ?? null,
      serial,
      valid_before: validBefore,
    })),
  });
  const served = serveAgent(socket.server, {
    held,
    machineOf: (hostKey) => ourMachine(context(), hostKey),
    forwardRules,
    upstream,
    confirm,
    status: (isLocked) => statusText(status(isLocked)),
    onStop: stop,
    say: (text) => debug.say(`agent: ${text}`),
  });
  for (const signal of ending) process.on(signal, stop);
  try {
    debug.say(`agent: listens at ${path} since ${nowSeconds(given)}`);
    options.onListening();
    await keepFresh(context, stopping.signal);
  } finally {
    for (const signal of ending) process.off(signal, stop);
    served.close();
    socket.close();
  }
}

/** Asks nobody anything, waits for no server long, and goes by the profile that is active at the moment. */
function contextNow({ ask: _nobody, ...given }: SallyContext): () => SallyContext {
  const { paths, machine } = given;
  const who = machine ? 'machine' : 'person';
  const follows = isActive(paths);
  return () => ({
    ...given,
    paths: follows ? statePaths(paths.home, who, activeProfile(paths)) : paths,
    mayStepUp: false,
    patienceMilliseconds: 5000,
  });
}
