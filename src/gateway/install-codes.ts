/**
 * `sallyport gateway install --codes`: the listener for one-time codes beside the machine's own sshd, which is left as it
 * is. It is started by a unit of its own, or by whoever runs the machine's programs: its connections outlive it and the
 * companion, and neither of the two is the other's child.
 */
import { existsSync } from 'node:fs';
import { readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '../errors/sallyport-error.ts';
import { ensurePrivateFolder, writeFileAtomically } from '../files/write-file.ts';
import {
  codeListenerConfiguration,
  codeListenerUnit,
  pamService,
  usualCodePort,
} from './code-listener-configuration.ts';
import { type CodePaths, codePaths, codeService } from './code-paths.ts';
import type { Enrolment } from './enrolment.ts';
import type { FileChange } from './installation.ts';
import { type Machine, pathsOf } from './machine.ts';
import { opensshVersion, type Programs } from './programs.ts';
import { runProgram } from './run-program.ts';
import { createSshdListener } from './sshd-listener.ts';

export interface CodeInstallation {
  readonly machine: Machine;
  readonly programs: Programs;
  readonly enrolled: Enrolment;
  /** undefined: as it was, or the usual one. */
  readonly port: number | undefined;
  readonly tell: (line: string) => void;
}

const pamFolder = '/etc/pam.d';
const unitFolder = '/etc/systemd/system';
const pamModule = 'pam_exec.so';
const moduleFolders = ['/lib', '/usr/lib'].flatMap((folder) =>
  ['', '/x86_64-linux-gnu', '/aarch64-linux-gnu'].map((more) => `${folder}${more}/security`),
);

/** Where they are taken on this machine; undefined: they are not. */
export function installedCodes(machine: Machine): CodePaths | undefined {
  const codes = codePaths(machine);
  return existsSync(codes.configuration) ? codes : undefined;
}

/**
 * Writes what belongs into the companion's own folder.
 * @returns what is to be changed on the machine @throws program_missing, install_failed
 */
export async function prepareCodes(installing: CodeInstallation): Promise<FileChange[]> {
  const { machine, programs, enrolled, tell } = installing;
  if (!moduleFolders.some((folder) => existsSync(join(folder, pamModule)))) {
    throw new SallyportError('program_missing', `${pamModule} is missing: apt-get install libpam-modules`);
  }
  const codes = codePaths(machine);
  const port = installing.port ?? (await portBefore(codes)) ?? usualCodePort;
  await ensurePrivateFolder(codes.folder);
  await rm(codes.program, { force: true });
  await symlink(programs.sshd, codes.program);
  const configuration = codeListenerConfiguration({
    paths: pathsOf(machine, enrolled),
    codes,
    routeCode: codes.routeCode,
    port,
    version: await opensshVersion(programs.sshd),
  });
  await writeFileAtomically(codes.configuration, configuration, { mode: 0o600 });
  const { status, stderr } = await runProgram(programs.sshd, ['-t', '-f', codes.configuration]);
  if (status !== 0) {
    await rm(codes.folder, { recursive: true, force: true });
    throw new SallyportError(
      'install_failed',
      `sshd refuses the listener for one-time codes: ${stderr.trim()}`,
    );
  }
  const hasUnits = existsSync(unitFolder);
  const start = hasUnits
    ? `systemctl daemon-reload && systemctl enable --now ${codeService}`
    : `${codes.program} -D -f ${codes.configuration}`;
  tell(`One-time codes are taken at port ${port}. Start that listener, and keep it running: ${start}`);
  const file = (path: string, contents: string): FileChange => ({
    path,
    contents,
    isOurs: true,
    mode: 0o644,
  });
  return [
    file(join(pamFolder, codeService), pamService(codes.hook)),
    ...(hasUnits ? [file(join(unitFolder, `${codeService}.service`), codeListenerUnit(codes))] : []),
  ];
}

/** Nobody new comes in by a code. */
export function endCodeListener(machine: Machine): void {
  const listener = createSshdListener(codePaths(machine).pidFile).current();
  if (listener) process.kill(listener.pid, 'SIGTERM');
}

async function portBefore({ configuration }: CodePaths): Promise<number | undefined> {
  const text = await readFile(configuration, 'utf8').catch(() => '');
  const [, port] = /^Port ([0-9]{1,5})$/m.exec(text) ?? [];
  return port === undefined ? undefined : Number(port);
}
