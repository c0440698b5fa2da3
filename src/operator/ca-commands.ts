/** The `sallyport ca` commands. Each loads its own code only when it is run. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Purpose } from '../ca/issuing.ts';
import type { CaSurroundings } from './run-ca.ts';

const purposeAbout = 'user, host or hop';
const signerAbout = 'what holds the private key, such as file:NAME or pkcs11:...';

/** Adds them to `program`. */
export function registerCaCommands(program: Command, surroundings: CaSurroundings): void {
  const ca = program
    .command('ca')
    .description('the CA keys in use: their generations, and how one follows the other')
    // `retire PURPOSE GENERATION` leaves less for descriptions than commander wraps by itself.
    .configureHelp({ minWidthToWrap: 30 })
    .showHelpAfterError('(sallyport ca --help lists the commands)');

  ca.command('init')
    .description('make and register the first keys; `serve` does it by itself with key files')
    .option('--user <uri>', signerAbout)
    .option('--host <uri>', signerAbout)
    .option('--hop <uri>', signerAbout)
    .action(async (given: Partial<Record<Purpose, string>>) => {
      const { runCaInit } = await import('./run-ca.ts');
      await runCaInit(given, surroundings);
    });

  ca.command('status')
    .description('how every generation stands, and what it waits for')
    .option('--json', 'for programs')
    .action(async (options: { json?: boolean }) => {
      const { runCaStatus } = await import('./run-ca.ts');
      await runCaStatus(options, surroundings);
    });

  ca.command('rotate')
    .description('make the next key; once everybody knows it, the same command lets it sign')
    .argument('<purpose>', purposeAbout, purposeOf)
    .option('--signer <uri>', `${signerAbout}; otherwise a new key file`)
    .option('--now', 'wait for nobody: logins fail where the key is not known yet')
    .action(async (purpose: Purpose, options: { signer?: string; now?: boolean }) => {
      const { runCaRotate } = await import('./run-ca.ts');
      await runCaRotate({ purpose, ...options }, surroundings);
    });

  ca.command('retire')
    .description('end a key; retiring ones end by themselves')
    .argument('<purpose>', purposeAbout, purposeOf)
    .argument('<generation>', 'its number in `sallyport ca status`', generationOf)
    .option('--compromised', 'somebody else has it: revoke it everywhere at once')
    .option('--signer <uri>', 'what signs instead, where there is no next key')
    .action(
      async (purpose: Purpose, generation: number, options: { compromised?: boolean; signer?: string }) => {
        const { runCaRetire } = await import('./run-ca.ts');
        await runCaRetire({ purpose, generation, ...options }, surroundings);
      },
    );
}

function purposeOf(given: string): Purpose {
  if (given === 'user' || given === 'host' || given === 'hop') return given;
  throw new InvalidArgumentError(`It is ${purposeAbout}.`);
}

function generationOf(given: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(given)) return Number(given);
  throw new InvalidArgumentError('It is a number: sallyport ca status');
}
