/**
 * Connections that wait to be shared (ControlMaster of ssh_config(5)): whoever joins one is asked for no certificate, so
 * one of a login that is over should not wait any longer.
 */
import { lstat, readFile } from 'node:fs/promises';
import type { SallyContext } from '../context.ts';
import { hostsAtHand } from '../hosts-at-hand.ts';
import type { CertificateFacts } from './certificate.ts';
import { type Finding, ok } from './finding.ts';
import { runCaptured } from './run-captured.ts';

export interface SharingFacts {
  /** Hosts of ours whose master answers, and whose socket is there without one. */
  readonly live: readonly string[];
  readonly dead: readonly { readonly host: string; readonly socket: string }[];
  readonly isLoggedIn: boolean;
}

const mostAsked = 64;

export async function gatherSharing(
  context: SallyContext,
  { login }: Pick<CertificateFacts, 'login'>,
): Promise<SharingFacts> {
  const { paths } = context;
  const isLoggedIn = login?.hasTokens === true;
  const hosts = [...(await hostsAtHand(paths)).matchAll(/^Host ([a-z0-9.-]+)$/gm)]
    .map(([, host = '']) => host)
    .slice(0, mostAsked);
  const user = await readFile(paths.userConfig, 'utf8').catch(() => '');
  const live: string[] = [];
  const dead: { host: string; socket: string }[] = [];
  // Nobody shares without saying so; a file that is included elsewhere may say it too.
  if (!/control(path|master)|^\s*include/im.test(user)) return { live, dead, isLoggedIn };
  for (const host of hosts) {
    const config = ['-F', paths.userConfig];
    const { stdout } = await runCaptured(context, 'ssh', [...config, '-G', host]);
    const [, socket = 'none'] = /^controlpath (.+)$/m.exec(stdout) ?? [];
    const found = socket === 'none' ? undefined : await lstat(socket).catch(() => undefined);
    if (!found?.isSocket()) continue;
    const { status } = await runCaptured(context, 'ssh', [...config, '-O', 'check', host]);
    if (status === 0) live.push(host);
    else dead.push({ host, socket });
  }
  return { live, dead, isLoggedIn };
}

export function judgeSharing({ live, dead, isLoggedIn }: SharingFacts): Finding {
  if (live.length > 0 && !isLoggedIn) {
    return {
      check: 'sharing',
      outcome: 'warning',
      says: `Nobody is logged in, but ${live.length} shared connection${live.length === 1 ? '' : 's'} (ControlMaster) still wait${live.length === 1 ? 's' : ''}: ${live.slice(0, 3).join(', ')}.`,
      fix: `ssh -O exit ${live[0]}`,
      repair: { kind: 'masters' },
    };
  }
  const [first] = dead;
  if (first) {
    return {
      check: 'sharing',
      outcome: 'warning',
      says: `${first.socket} is the socket of a shared connection (ControlMaster) to ${first.host} that is gone.`,
      fix: `rm ${first.socket}`,
    };
  }
  return ok(
    'sharing',
    live.length > 0 ? `${live.length} shared, of this login` : 'no shared connection is left',
  );
}
