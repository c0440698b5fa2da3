/** `sallyport`: the server, the companions and the demo. Each subcommand loads only its own code. */
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { isSallyportError } from './errors/sallyport-error.ts';

const root = join(import.meta.dirname, '..');
const program = new Command('sallyport')
  .description('A short-lived SSH certificate authority')
  .showHelpAfterError('(sallyport --help lists the commands)');

program
  .command('dev')
  .description('everything on this machine, with an embedded database and demo people')
  .option('--port <port>', 'first of four ports on loopback (default 8420; 0: free ones)')
  .option('--data <folder>', 'where the data is kept (default .sallyport)')
  .option('--public-url <url>', 'must be this machine itself')
  .option('--no-ssh', 'start no gateway and no target')
  .action(async (options) => {
    const { runDev } = await import('./dev/run-dev.ts');
    await runDev({ options, root, stdout: process.stdout, onStop });
  });

program
  .command('serve')
  .description('one server process; settings come from the environment (docs/running-a-server.md)')
  .action(async () => {
    const { runServe } = await import('./server/run-serve.ts');
    await runServe({ environment: process.env, onStop });
  });

program
  .command('keys')
  .description('the CA keys of a server')
  .command('create <folder>')
  .description('make the keys that are missing in a folder; never overwrites one')
  .option('--no-ca', 'no CA key files: signers elsewhere hold those keys (sallyport ca init)')
  .action(async (folder: string, options: { ca: boolean }) => {
    const { createServerKeys } = await import('./server/keys-folder.ts');
    await createServerKeys(folder, process.env, options);
    process.stdout.write(`The keys are in ${folder}. Back them up where only you can read them.\n`);
  });

program
  .command('setup <file>')
  .description('create the organization, its access rules, machines and targets from a JSON file')
  .action(async (file: string) => {
    const { runSetup } = await import('./operator/run-setup.ts');
    await runSetup({ file, environment: process.env, stdout: process.stdout });
  });

program
  .command('enrolment-token <companion>')
  .description('a new one-time token for a gateway or host')
  .action(async (name: string) => {
    const { runEnrolmentToken } = await import('./operator/run-setup.ts');
    await runEnrolmentToken({ name, environment: process.env, stdout: process.stdout });
  });

program
  .command('enrolment-fingerprint <companion> <fingerprint>')
  .description('the host key by which a gateway or host may enrol without a token')
  .action(async (name: string, fingerprint: string) => {
    const { runEnrolmentFingerprint } = await import('./operator/run-enrolment-fingerprint.ts');
    await runEnrolmentFingerprint({ name, fingerprint, environment: process.env, stdout: process.stdout });
  });

program
  .command('revoke-companion <companion>')
  .description('end a gateway or host for good: its credential and its host certificates')
  .action(async (name: string) => {
    const { runRevokeCompanion } = await import('./operator/run-revoke-companion.ts');
    const { env: environment, stdout } = process;
    await runRevokeCompanion({ name, environment, stdout, clock: () => new Date() });
  });

program
  .command('break-glass <account>')
  .description('in an emergency: make somebody an admin of their organization for a while')
  .requiredOption('--for <time>', 'how long, at most 4h, such as 30m or 1h')
  .requiredOption('--reason <text>', 'why; it is shown to every admin')
  .action(async (account: string, options: { for: string; reason: string }) => {
    const { runBreakGlass } = await import('./operator/run-break-glass.ts');
    const { env: environment, stdout } = process;
    const { for: duration, reason } = options;
    await runBreakGlass({ account, duration, reason, environment, stdout, clock: () => new Date() });
  });

program
  .command('recover')
  .description('after a restored backup or a failover: revoke what the database may have forgotten')
  .option('--yes', 'do not ask')
  .option('--anyway', 'also where nothing tells that anything was forgotten')
  .option('--nothing-was-lost', 'after a planned switch-over or pg_upgrade: revoke nothing, end no session')
  .option('--json', 'print one JSON document; changes nothing without --yes')
  .action(async (options) => {
    const { runRecover } = await import('./operator/run-recover.ts');
    const { env: environment, stdin, stdout } = process;
    await runRecover(options, { environment, stdin, stdout, clock: () => new Date() });
  });

const { registerCaCommands } = await import('./operator/ca-commands.ts');
registerCaCommands(program, { environment: process.env, stdout: process.stdout });

const { registerCompanionCommands } = await import('./gateway/commands.ts');
const stopped = new AbortController();
program.hook('preAction', (_program, command) => {
  if (!['gateway', 'host'].includes(command.parent?.name() ?? '')) return;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => stopped.abort());
});
registerCompanionCommands(program, {
  clock: () => new Date(),
  tell: (line) => process.stdout.write(`${line}\n`),
  log: (entry) => process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`),
  readInput: () => text(process.stdin),
  stopped: stopped.signal,
  setExitStatus: (status) => {
    process.exitCode = status;
  },
});

const sameSignalMilliseconds = 1000;

/**
 * Calls `stop` once, at the first TERM, INT or HUP; another one ends the process at once, unless it follows
 * so quickly that it may be the same: a Ctrl-C arrives twice, from the terminal and passed on by npm.
 */
function onStop(stop: () => Promise<void>): void {
  let stoppingSince: number | undefined;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (stoppingSince !== undefined) {
        if (performance.now() - stoppingSince > sameSignalMilliseconds) process.exit(1);
        return;
      }
      stoppingSince = performance.now();
      stop().then(
        () => process.exit(0),
        (error) => fail(error),
      );
    });
  }
}

function fail(error: unknown): never {
  if (isSallyportError(error)) process.stderr.write(`sallyport: ${error.message}\n`);
  else
    process.stderr.write(
      `sallyport: unexpected error: ${error instanceof Error ? error.stack : String(error)}\n`,
    );
  process.exit(1);
}

await program.parseAsync().catch(fail);
