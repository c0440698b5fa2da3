/** Installs the program that every session of sshd runs: the places of this machine, and what programs/route.sh does with them. */
import { dirname, join } from 'node:path';
import { writeFileAtomically } from '../files/write-file.ts';
import { checkSocketPath } from './paths.ts';
import { programSource } from './program-source.ts';
import { isProgram, type Programs } from './programs.ts';
import { findSftpServer } from './session-command.ts';

export interface RouteProgramOptions {
  /** Where it is written: owned by whoever runs the companion, readable for all. */
  readonly path: string;
  /** route.sock as the sessions of sshd see it. */
  readonly socket: string;
  readonly programs: Pick<Programs, 'curl' | 'sshKeygen'>;
  /** The compiled program that asks faster than curl, as the sessions see it; null: there is none. */
  readonly askProgram: string | null;
}

export async function writeRouteProgram(options: RouteProgramOptions): Promise<void> {
  const { path, socket, programs, askProgram } = options;
  const setpriv = '/usr/bin/setpriv';
  const places = {
    socket,
    curl: programs.curl,
    // The same package.
    ssh: join(dirname(programs.sshKeygen), 'ssh'),
    sftp_server: findSftpServer() ?? '',
    setpriv: isProgram(setpriv) ? setpriv : '',
    ask_program: askProgram ?? '',
  };
  for (const place of Object.values(places)) if (place !== '') checkSocketPath(place);
  const lines = Object.entries(places).map(([name, place]) => `${name}='${place}'\n`);
  const source = programSource('route.sh');
  await writeFileAtomically(path, `#!/bin/sh\n${lines.join('')}\n${source}`, { mode: 0o755 });
}
