/**
 * An ssh-agent of one's own, for the keys of a PKCS #11 module: in a folder that nobody else enters, allowed to load
 * this one module. OpenSSH runs the vendor's library in yet another process, so its crash is not ours, and we need no
 * compiled code.
 *
 * ssh-agent ends by itself when the command that it was started with has ended, so it is started with one that ends as
 * soon as this process is gone, however that happens: `cat` on a pipe from us.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SallyportError } from '../../errors/sallyport-error.ts';

export interface PrivateAgent {
  readonly socketPath: string;
  close(): Promise<void>;
}

/** Prints the agent's process id once it listens, then waits for the end of its input. */
const command = ['/bin/sh', '-c', 'echo "$SSH_AGENT_PID" && exec cat'] as const;

/** What the vendor's library has no business with. */
const withheld = /^(SALLYPORT|DATABASE|VAULT|AWS|GOOGLE|NODE|SSH|CREDENTIALS)_|SECRET|TOKEN|PASSW|PIN_/;

/**
 * @param module the library's path; what it is a link to counts
 * @throws program_missing, file_refused if there is no such module, signer_failed
 */
export async function startPrivateAgent(
  module: string,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<PrivateAgent> {
  const allowed = await realpath(module).catch((error: NodeJS.ErrnoException) => {
    throw new SallyportError('file_refused', `There is no PKCS #11 module at ${module} (${error.code}).`);
  });
  // -P takes a list of patterns.
  if (/[*?!,]/.test(allowed)) {
    throw new SallyportError('file_refused', `The path ${allowed} may not hold any of * ? ! and the comma.`);
  }
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-agent-'));
  const socketPath = join(folder, 'agent.sock');
  const child = spawn('ssh-agent', ['-a', socketPath, '-P', allowed, ...command], {
    env: Object.fromEntries(Object.entries(environment).filter(([name]) => !withheld.test(name))),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.on('error', () => {});
  const exit = once(child, 'exit').catch(() => {});
  let agentId: number | undefined;
  const close = async () => {
    // The agent is a child of the command's process, which does not wait for it: its number is not given away before.
    if (agentId !== undefined && child.exitCode === null && child.signalCode === null) end(agentId);
    child.stdin.end();
    await exit;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    agentId = await readAgentId(child, signal);
    return { socketPath, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function readAgentId(child: ChildProcess, signal: AbortSignal): Promise<number> {
  let printed = '';
  try {
    await once(child, 'spawn', { signal });
    for await (const chunk of child.stdout ?? []) {
      printed += chunk;
      if (printed.endsWith('\n')) break;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new SallyportError('program_missing', "ssh-agent is not installed. Install OpenSSH's client.");
    }
    throw new SallyportError('signer_failed', 'ssh-agent did not start.', { cause: error });
  }
  const [, id] = /^([1-9][0-9]{0,9})\n$/.exec(printed) ?? [];
  if (id === undefined) throw new SallyportError('signer_failed', 'ssh-agent did not start.');
  return Number(id);
}

function end(processId: number): void {
  try {
    // It has nothing to save, and one that waits for a hanging library hears nothing gentler.
    process.kill(processId, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}
