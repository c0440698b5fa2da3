/** Ways in beside certificates, and to the door: registered keys, leases of firewalls. */
import type { Command } from 'commander';
import { type Go, spanFrom, sub, wholeNumber } from './build.ts';

export function addAccessCommands(program: Command, go: Go): void {
  addSshKeys(program, go);
  addLease(program, go);
}

function addSshKeys(program: Command, go: Go): void {
  const keys = sub(
    program,
    'ssh-keys',
    'keys of your own that get in without certificates, where that is allowed',
  );
  sub(keys, 'list', 'those that are good now')
    .option('--account <account>', 'for admins: of somebody else')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('../commands/ssh-keys.ts')).sshKeysList(context, options)),
    );
  sub(keys, 'add', 'register one; you prove that you hold it')
    .argument('<file>', 'the key or its .pub file; the private half may be in your agent')
    .option('--name <name>', 'what you will know it by (default: its comment)')
    .option('--expires <span>', 'such as 90d or 12h (default: 90d, at most 365d)', spanFrom('1m', '365d'))
    .option('--json', 'for programs')
    .action((file: string, options) =>
      go(async (context) => (await import('../commands/ssh-keys.ts')).sshKeysAdd(context, file, options)),
    );
  sub(keys, 'remove', 'end one, with its connections')
    .argument('<key>', 'its id, name or fingerprint')
    .option('--account <account>', 'for admins: of somebody else')
    .option('--json', 'for programs')
    .action((which: string, options) =>
      go(async (context) => (await import('../commands/ssh-keys.ts')).sshKeysRemove(context, which, options)),
    );
  sub(keys, 'remove-all', 'end all of them')
    .option('--account <account>', 'for admins: of somebody else')
    .option('--yes', 'without asking')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('../commands/ssh-keys.ts')).sshKeysRemoveAll(context, options)),
    );
}

function addLease(program: Command, go: Go): void {
  const lease = sub(program, 'lease', 'open the firewall of a gateway or host for where you are, for a time')
    .argument('<where>', 'a gateway, a host, or a target behind one')
    .option('--from <network>', 'an address or a network (default: where the server sees you)')
    .option('--port <number>', 'another of its SSH ports', wholeNumber(1, 65_535))
    .option('--ttl <span>', 'such as 20m, at most 240m (default: 20m)', spanFrom('1m', '240m'))
    .option('--no-wait', 'do not wait until it answers')
    .option('--keep', 'renew it until this is interrupted')
    .option('--json', 'for programs')
    .addHelpText('after', () => leaseHelp)
    .action((where: string, options) =>
      go(async (context) => (await import('../commands/lease.ts')).lease(context, where, options)),
    );
  sub(lease, 'list', 'those that hold')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('../commands/lease.ts')).leaseListed(context, options)),
    );
  sub(lease, 'end', 'close it again')
    .argument('[which]', 'an id, or a machine (default: all)')
    .action((which: string | undefined) =>
      go(async (context) => (await import('../commands/lease.ts')).leaseEnded(context, which)),
    );
}

const leaseHelp = `
Examples:
  sally lease shop-production--web      then: ssh shop-production--web.sallyport
  sally lease gate --ttl 2h --keep
  sally lease gate --from 198.51.100.7  where machines see you elsewhere

"sally ssh" asks for a lease by itself where the gateway gives them.
`;
