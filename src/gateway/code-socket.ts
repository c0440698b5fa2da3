/** What the listener for one-time codes asks and runs: the socket of its hook, and its two scripts. */
import { join } from 'node:path';
import { writeFileAtomically } from '../files/write-file.ts';
import { answerCode, type CodeAnswering } from './answer-codes.ts';
import type { CodePaths } from './code-paths.ts';
import { prepareTickets, sweepTickets } from './code-tickets.ts';
import { checkSocketPath } from './paths.ts';
import { programSource } from './program-source.ts';
import { serveUnixSocket, type UnixSocketServer } from './unix-socket-server.ts';

export interface CodeSocketOptions {
  readonly codes: CodePaths;
  readonly answering: Omit<CodeAnswering, 'tickets'>;
  readonly curl: string;
  /** The run folder as sshd and its sessions see it. */
  readonly runFolderInSessions: string;
  readonly onError: (error: unknown) => void;
}

export async function openCodeSocket(options: CodeSocketOptions): Promise<UnixSocketServer> {
  const { codes, answering, onError } = options;
  await writePrograms(options);
  await prepareTickets(codes.tickets);
  const { connections } = answering.answering;
  await sweepTickets(codes.tickets, (digest) => connections.byTicket(digest) !== undefined);
  return await serveUnixSocket({
    path: codes.socket,
    mode: 0o600,
    owner: undefined,
    // MaxStartups of code-listener-configuration.ts.
    mostConnections: 100,
    routes: { '/codes': (form, gone) => answerCode({ ...answering, tickets: codes.tickets }, form, gone) },
    onError,
  });
}

async function writePrograms({
  codes,
  answering,
  curl,
  runFolderInSessions,
}: CodeSocketOptions): Promise<void> {
  const inSessions = (path: string) => join(runFolderInSessions, path.slice(path.lastIndexOf('/') + 1));
  await writeProgram(codes.hook, 'code-hook.sh', { socket: inSessions(codes.socket), curl }, 0o700);
  const places = { tickets: inSessions(codes.tickets), route: answering.answering.routeProgram };
  await writeProgram(codes.routeCode, 'route-code.sh', places, 0o755);
}

async function writeProgram(
  path: string,
  name: string,
  places: Readonly<Record<string, string>>,
  mode: number,
): Promise<void> {
  for (const place of Object.values(places)) checkSocketPath(place);
  const lines = Object.entries(places).map(([variable, place]) => `${variable}='${place}'\n`);
  const source = programSource(name);
  await writeFileAtomically(path, `#!/bin/sh\n${lines.join('')}\n${source}`, { mode });
}
