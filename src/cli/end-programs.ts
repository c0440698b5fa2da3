/**
 * What of a login lives on in other programs of this machine: keys that the person has put into their ssh-agent, and ssh
 * connections that wait to be shared (ControlMaster), which ask no certificate of whoever joins them.
 */
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { agentsWithKeys, takeOut } from './added-keys.ts';
import { agentSocketPath } from './agent/agent-socket.ts';
import { tellAgent } from './agent/status.ts';
import type { SallyContext } from './context.ts';
import { keyFile } from './current-pair.ts';
import { hostsAtHand } from './hosts-at-hand.ts';
import { narrowedHere } from './narrowed-paths.ts';
import { runQuietly } from './run-quietly.ts';
import { hostSuffix } from './ssh-config-text.ts';

const patienceMilliseconds = 5000;
const atOnce = 8;

/** Takes our keys and certificates out of every agent that may hold them. The caller deletes the files after this. */
export async function forgetAgentKeys(context: SallyContext): Promise<void> {
  const { paths, debug } = context;
  const keys: string[] = [];
  for (const { pairs } of [paths, ...(await narrowedHere(paths))]) {
    const names = await readdir(pairs).catch(() => []);
    keys.push(...names.filter((name) => !name.startsWith('.')).map((name) => join(pairs, name, keyFile)));
  }
  for (const socket of await agentsWithKeys(context)) await takeOut(context, keys, socket);
  // Our own agent holds what is in no file.
  const ours = await agentSocketPath(context).catch((error) => debug.say(`sally agent: ${error}`));
  if (ours && (await tellAgent(ours, 'forget'))) debug.say('sally agent has forgotten its keys');
}

/** Ends masters of our hosts, so that nobody joins them any more and what they carry ends. */
export async function endControlMasters(context: SallyContext): Promise<void> {
  const { paths } = context;
  const text = await hostsAtHand(paths);
  const isRead = await access(paths.userConfig).then(
    () => true,
    () => false,
  );
  if (!isRead) return;
  const hosts = [...text.matchAll(/^Host ([a-z0-9.-]+)$/gm)].map(([, host = '']) => host);
  const ours = hosts.filter((host) => host.endsWith(`.${hostSuffix}`));
  const end = performance.now() + patienceMilliseconds;
  const worker = async () => {
    for (let host = ours.shift(); host !== undefined; host = ours.shift()) {
      if (performance.now() > end) return context.debug.say('not every host was asked for a ControlMaster');
      await runQuietly(context, 'ssh', ['-F', paths.userConfig, '-O', 'exit', host]);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
