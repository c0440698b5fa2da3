/** What `sallyport gateway status` tells: read from files and /proc, so that it works with and without a companion. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { readConnectionFiles } from './connection-file.ts';
import { requireEnrolment } from './enrolment.ts';
import { checkCanaries } from './install-state.ts';
import { type Machine, pathsOf } from './machine.ts';
import { readSameProcess } from './proc.ts';
import { readSavedState } from './saved-state.ts';
import { createSshdListener } from './sshd-listener.ts';

export interface StatusReport {
  readonly lines: readonly string[];
  /** false: somebody has something to do. */
  readonly good: boolean;
}

/** @throws enrolment_refused if this machine is not enrolled; file_refused */
export async function companionStatus(machine: Machine, sshKeygen: string): Promise<StatusReport> {
  const paths = pathsOf(machine);
  const enrolment = await requireEnrolment(paths.enrolment);
  const saved = await readSavedState(paths.state);
  const listener = createSshdListener(machine.sshdPidFile).current();
  const isRunning = await isListening(paths.principalsSocket);
  const krl = saved ? await krlInForce(machine, sshKeygen) : 'no state was installed yet';
  const { connections } = existsSync(paths.connections)
    ? readConnectionFiles(paths.connections)
    : { connections: [] };
  const live = connections.filter((one) => one.startedAtSeconds !== null && readSameProcess(one));
  const facts: readonly (readonly [word: string, text: string, good: boolean])[] = [
    ['Name', `${enrolment.kind} ${enrolment.name}`, true],
    ['Server', enrolment.serverUrl, true],
    [
      'State',
      saved ? `version ${saved.version}, KRL version ${saved.krlVersion}` : 'none',
      saved !== undefined,
    ],
    ['KRL', krl ?? 'in force', krl === null],
    ['Companion', isRunning ? 'runs' : `does not run. Run: sallyport ${enrolment.kind} run`, isRunning],
    ['sshd', listener ? `runs, pid ${listener.pid}` : 'does not run', listener !== undefined],
    ['Connections', String(live.length), true],
  ];
  return {
    lines: facts.map(([word, text]) => `${word}: ${text}`),
    good: facts.every(([, , good]) => good),
  };
}

/** null, or what is wrong with it. */
async function krlInForce(machine: Machine, sshKeygen: string): Promise<string | null> {
  const paths = pathsOf(machine);
  try {
    await checkCanaries(sshKeygen, paths);
    return null;
  } catch (error) {
    return isSallyportError(error) ? error.message : 'can not be read';
  }
}

/** Whether somebody listens there. It is asked, and its lock left alone: a companion that starts now must find it free. */
async function isListening(socketPath: string): Promise<boolean> {
  const socket = connect(socketPath);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    // No file, or one that a companion left when it was killed.
    return false;
  } finally {
    socket.destroy();
  }
}
