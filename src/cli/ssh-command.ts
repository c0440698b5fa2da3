/** How the person calls ssh so that it reads our config. */
import { basename, dirname } from 'node:path';
import type { SallyContext } from './context.ts';
import { isActive } from './profiles/active-profile.ts';

/** ssh looks its config up below the home folder of passwd, never below $HOME. */
export function readsOurConfig({ environment, paths }: SallyContext): boolean {
  return environment.passwdHome === undefined || environment.passwdHome === paths.home;
}

export function sshCommand(context: SallyContext, host: string): string {
  const { userConfig, profileConfig } = context.paths;
  if (!isActive(context.paths)) return sshWith(profileConfig, host);
  return readsOurConfig(context) ? `ssh ${host}` : sshWith(userConfig, host);
}

function sshWith(config: string, host: string): string {
  if (/^[A-Za-z0-9_./@:+,=-]+$/.test(config)) return `ssh -F ${config} ${host}`;
  // ssh hands -F to the ssh that jumps without quotes (OpenSSH ssh.c), so the path itself must do without them.
  return `cd '${dirname(config)}' && ssh -F ${basename(config)} ${host}`;
}
