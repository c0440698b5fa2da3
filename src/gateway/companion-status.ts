/** What `sallyport gateway status` tells: read from files and /proc, so that it works with and without a companion. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { isSallyportError } from '../errors/sallyport-error.ts';
import { checkDrift } from './check-drift.ts';
import { codeService } from './code-paths.ts';
import { readConnectionFiles } from './connection-file.ts';
import { type Enrolment, requireEnrolment } from './enrolment.ts';
import { installedCodes } from './install-codes.ts';
import { checkCanaries } from './install-state.ts';
import { readInstallation } from './installation.ts';
import { type Machine, pathsOf } from './machine.ts';
import { installationFile, sshdFilesOf } from './machine-sshd.ts';
import { readSameProcess } from './proc.ts';
import type { Programs } from './programs.ts';
import { type RunReport, readRunReport } from './run-report.ts';
import { readSavedState } from './saved-state.ts';
import { installedSessionProgram } from './session-program.ts';
import { createSshdListener } from './sshd-listener.ts';
import { clockToleranceSeconds } from './trusted-age.ts';

export interface StatusReport {
  readonly lines: readonly string[];
  /** false: somebody has something to do. */
  readonly good: boolean;
}

type Fact = readonly [word: string, text: string, good: boolean];

/** @throws enrolment_refused if this machine is not enrolled; file_refused */
export async function companionStatus(machine: Machine, programs: Programs): Promise<StatusReport> {
  const paths = pathsOf(machine);
  const enrolment = await requireEnrolment(paths.enrolment);
  const saved = await readSavedState(paths.state);
  const listener = createSshdListener(machine.sshdPidFile).current();
  const isRunning = await isListening(paths.principalsSocket);
  const krl = saved ? await krlInForce(machine, programs.sshKeygen) : 'no state was installed yet';
  const { connections } = existsSync(paths.connections)
    ? readConnectionFiles(paths.connections)
    : { connections: [] };
  const live = connections.filter((one) => one.startedAtSeconds !== null && readSameProcess(one));
  const facts: readonly Fact[] = [
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
    ...codeFacts(machine),
    ...(await sshdFacts(machine, programs, enrolment)),
    ...(isRunning ? reportFacts(await readRunReport(paths.report)) : []),
    ['Connections', String(live.length), true],
  ];
  return {
    lines: facts.map(([word, text]) => `${word}: ${text}`),
    good: facts.every(([, , good]) => good),
  };
}

/** Only where one-time codes are taken. */
function codeFacts(machine: Machine): Fact[] {
  const codes = installedCodes(machine);
  if (codes === undefined) return [];
  const isRunning = createSshdListener(codes.pidFile).current() !== undefined;
  const start = `does not run: nobody can use one-time codes. Run: systemctl start ${codeService}`;
  return [['One-time codes', isRunning ? 'the listener runs' : start, isRunning]];
}

/** Asked anew, whatever a companion that runs may have found a minute ago. */
async function sshdFacts(machine: Machine, programs: Programs, enrolment: Enrolment): Promise<Fact[]> {
  const installation = await readInstallation(installationFile(machine));
  if (installation === undefined) return [['Configuration', 'not installed', false]];
  const { settings } = installation;
  if (settings === undefined) {
    const again = `installed by an older version. Run: sallyport ${enrolment.kind} install --server ${enrolment.serverUrl}`;
    return [['Configuration', again, false]];
  }
  const files = await sshdFilesOf(machine, programs, enrolment, settings);
  const drift = await checkDrift(files, ['root']);
  return [
    ['Asked by', settings.askProgram ?? 'sh and curl', true],
    ...sessionFacts(machine, enrolment),
    [
      'Configuration',
      drift.length === 0 ? 'as installed' : `not as installed: ${drift.join('; ')}`,
      drift.length === 0,
    ],
    ...settings.accepted.map((one): Fact => ['Accepted exception', one, true]),
  ];
}

/** Gateways relay sessions, which the script alone does. */
function sessionFacts(machine: Machine, { kind }: Enrolment): Fact[] {
  return kind === 'host' ? [['Sessions begun by', installedSessionProgram(machine) ?? 'sh', true]] : [];
}

/** What only the companion that runs can know. */
function reportFacts(report: RunReport | undefined): Fact[] {
  if (report === undefined) return [];
  const { stale, when_stale, heard_at, clock_skew, problem } = report;
  const heard = heard_at === 0 ? 'never heard' : `heard last at ${new Date(heard_at * 1_000).toISOString()}`;
  return [
    ['CA', stale ? `${heard}, too long ago (--when-stale ${when_stale})` : heard, !stale],
    ['Clock', `${clock_skew} s from the CA's`, Math.abs(clock_skew) <= clockToleranceSeconds],
    ['Problem', problem ?? 'none', problem === null],
  ];
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
