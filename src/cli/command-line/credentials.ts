import { type Command, Option } from 'commander';
import { collected, type Go, span, sub, wholeNumber } from './build.ts';

export function addCredentialCommands(program: Command, go: Go): void {
  sub(program, 'ssh-code', 'a one-time code for a client that knows no certificates, good for minutes')
    .argument('[target]', 'the only target that it is good for, such as shop-production--web')
    .option('--uses <number>', 'how often it may be used', wholeNumber(1, 10), 1)
    .addOption(new Option('--bind, --target <target>', 'the same').hideHelp())
    .option('--json', 'for programs')
    .addHelpText('after', () => sshCodeHelp)
    .action((target: string | undefined, options) =>
      go(async (context) => (await import('../commands/ssh-code.ts')).sshCode(context, target, options)),
    );

  const token = sub(program, 'token', 'API tokens, for machines and scripts');
  sub(token, 'create', 'make one; it is shown this once')
    .argument('<name>', 'what you will know it by')
    .addOption(roleOption('the most that it may do'))
    .option('--expires <span>', 'such as 90d or 12h', span)
    .option('--from <network>', 'addresses it may be used from, such as 192.0.2.0/24; repeatable', collected)
    .option('--account <machine>', 'for admins: a token of this machine account')
    .option('--json', 'for programs')
    .addHelpText('after', () => tokenHelp)
    .action((name: string, options) =>
      go(async (context) => (await import('../commands/token.ts')).tokenCreate(context, name, options)),
    );
  sub(token, 'list', 'your tokens; for admins all of the organization')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('../commands/token.ts')).tokenList(context, options)),
    );
  sub(token, 'revoke', 'end it, with its certificates and live connections')
    .argument('<token>', 'its id, or its name')
    .option('--json', 'for programs')
    .action((which: string, options) =>
      go(async (context) => (await import('../commands/token.ts')).tokenRevoke(context, which, options)),
    );
}

export function roleOption(description: string): Option {
  return new Option('--role <role>', description)
    .choices(['viewer', 'contributor', 'admin'])
    .default('contributor');
}

const sshCodeHelp = `
Examples:
  sally ssh-code shop-production--web           once, in place of a password
  sally ssh-code shop-production--web --uses 3  for a program that logs in
                                                several times
`;

const tokenHelp = `
Examples:
  sally token create backup --role contributor --expires 30d --from 192.0.2.0/24
  sally token create deploy --account deploy@example.com
  SALLY_TOKEN=... sally ssh-config install
`;
