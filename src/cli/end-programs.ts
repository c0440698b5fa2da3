/**
 * What of a login lives on in other programs of this machine: keys that the person has put into their ssh-agent, and ssh
 * connections that wait to be shared (ControlMaster), which ask no certificate of whoever joins them.
 */
import { spawn } from 'node:child_process';
import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SallyContext } from './context.ts';
import { keyFile } from './current-pair.ts';
import { narrowedHere } from './narrowed-paths.ts';
import { hostSuffix } from './ssh-config-text.ts';

const patienceMilliseconds = 5000;
const atOnce = 8;

/** Takes our keys and certificates out of the agent, where one runs. The caller deletes the files after this. */
export async function forgetAgentKeys(context: SallyContext): Promise<void> {
  const { paths, environment } = context;
  if (!environment.forPrograms?.['SSH_AUTH_SOCK']) return;
  const keys: string[] = [];
  for (const { pairs } of [paths, ...(await narrowedHere(paths))]) {
    const names = await readdir(pairs).catch(() => []);
    keys.push(...names.filter((name) => !name.startsWith('.')).map((name) => join(pairs, name, keyFile)));
  }
  // ssh-add takes the certificate beside each key out along with it; a key that the agent does not hold changes nothing.
  if (keys.length > 0) await runQuietly(context, 'ssh-add', ['-q', '-d', ...keys]);
}

/** Ends masters of our hosts, so that nobody joins them any more and what they carry ends. */
export async function endControlMasters(context: SallyContext): Promise<void> {
  const { paths } = context;
  const text = await readFile(paths.hosts, 'utf8').catch(() => '');
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

/** Whether it worked does not matter: there is nothing to end, or the server ends it. */
async function runQuietly(context: SallyContext, program: string, args: readonly string[]): Promise<void> {
  const { debug, environment } = context;
  await new Promise<void>((resolve) => {
    const child = spawn(program, args, {
      env: environment.forPrograms,
      stdio: 'ignore',
      timeout: patienceMilliseconds,
    });
    child.once('error', (error) => {
      debug.say(`${program}: ${error.message}`);
      resolve();
    });
    child.once('close', (status) => {
      debug.say(`${program} ended with status ${status}`);
      resolve();
    });
  });
}
