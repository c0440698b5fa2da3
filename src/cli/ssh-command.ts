/** How the person calls ssh so that it reads our config. */
import { basename } from 'node:path';
import type { SallyContext } from './context.ts';
import { isActive } from './profiles/active-profile.ts';

/** ssh looks its config up below the home folder of passwd, never below $HOME. */
export function readsOurConfig({ environment, paths }: SallyContext): boolean {
  return environment.passwdHome === undefined || environment.passwdHome === paths.home;
}

export function sshCommand(context: SallyContext, host: string): string {
  const { userConfig, sshFolder, profileConfig } = context.paths;
  if (!isActive(context.paths)) return `ssh -F ${profileConfig} ${host}`;
  if (readsOurConfig(context)) return `ssh ${host}`;
  if (/^[A-Za-z0-9_./@:+,=-]+$/.test(userConfig)) return `ssh -F ${userConfig} ${host}`;
  // ssh hands -F to the ssh that jumps without quotes (OpenSSH ssh.c), so the path itself must do without them.
  return `cd '${sshFolder}' && ssh -F ${basename(userConfig)} ${host}`;
}
