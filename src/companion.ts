/** The companions of `sallyport gateway` and `sallyport host` alone: what the build makes one executable file of. */
import { isSea } from 'node:sea';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { isSallyportError } from './errors/sallyport-error.ts';
import { registerCompanionCommands } from './gateway/commands.ts';

const program = new Command('sallyport')
  .description('The companion beside the sshd of a gateway or host')
  .showHelpAfterError('(sallyport --help lists the commands)');
const stopped = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => stopped.abort());
registerCompanionCommands(program, {
  clock: () => new Date(),
  tell: (line) => process.stdout.write(`${line}\n`),
  log: (entry) => process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`),
  readInput: () => text(process.stdin),
  stopped: stopped.signal,
  ...(isSea() && { ownProgram: process.execPath }),
  setExitStatus: (status) => {
    process.exitCode = status;
  },
});

program.parseAsync().catch((error: unknown) => {
  const isOurs = isSallyportError(error);
  const said = isOurs ? error.message : `unexpected error: ${(error as Error).stack}`;
  process.stderr.write(`sallyport: ${said}\n`);
  process.exit(1);
});
