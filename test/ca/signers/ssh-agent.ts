/** Real ssh-agents for tests, and agents that answer what a test wants. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { describe } from 'vitest';
import { sshKeygenOutput } from '../../interop/ssh-keygen.ts';

const isInstalled = spawnSync('ssh-agent', ['-?']).error === undefined;

/** Tests against a real ssh-agent, skipped only where it is not installed. */
export function describeWithSshAgent(fact: string, tests: () => void): void {
  describe.skipIf(!isInstalled)(isInstalled ? fact : `${fact} (ssh-agent is not installed)`, tests);
}

export interface RunningAgent {
  readonly socketPath: string;
  close(): Promise<void>;
}

export async function startSshAgent(socketPath: string): Promise<RunningAgent> {
  const agent = spawn('ssh-agent', ['-D', '-a', socketPath], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(agent.stdout, 'data');
  return {
    socketPath,
    close: async () => {
      agent.kill();
      await once(agent, 'exit');
    },
  };
}

/** A new key in the agent. @returns its fingerprint */
export function addKey({ socketPath }: RunningAgent, keyFile: string, ...type: string[]): string {
  sshKeygenOutput(['-q', '-N', '', '-C', 'sample', '-f', keyFile, '-t', ...type]);
  const environment = { ...process.env, SSH_AUTH_SOCK: socketPath };
  const { status, stderr } = spawnSync('ssh-add', ['-q', keyFile], { env: environment, encoding: 'utf8' });
  if (status !== 0) throw new Error(`ssh-add: ${stderr}`);
  return sshKeygenOutput(['-l', '-f', keyFile]).split(' ')[1] ?? '';
}

/** What an agent answers to one message; undefined ends the connection, null never answers. */
export type Answer = (message: Buffer) => Buffer | undefined | null;

/** An agent that sends exactly the bytes that `answer` gives, length included. */
export async function startFakeAgent(socketPath: string, answer: Answer): Promise<RunningAgent> {
  const server = createServer((socket) => {
    let received: Buffer = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 4 || received.length < 4 + received.readUInt32BE()) return;
      const reply = answer(received.subarray(4));
      if (reply === null) return;
      if (reply === undefined) socket.destroy();
      else socket.write(reply);
    });
  }).listen(socketPath);
  await once(server, 'listening');
  return {
    socketPath,
    close: async () => {
      server.close();
      await rm(socketPath, { force: true });
    },
  };
}
