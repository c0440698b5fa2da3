import { type Command, InvalidArgumentError, Option } from 'commander';
import type { EnvironmentName } from '../../api/certificates.ts';
import { isSlug } from '../../ssh/names.ts';
import type { SshConfigPolicy } from '../ssh-config-policy.ts';
import { type Go, span, sub } from './build.ts';

export function addCertificateCommands(program: Command, go: Go): void {
  const cert = sub(program, 'cert', 'the SSH certificate');
  sub(cert, 'show', 'what is in it, and where it and its key are')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('../commands/cert.ts')).certShow(context, options)),
    );
  sub(cert, 'ensure', 'renew it if that is due')
    .option('--quiet', 'not a word, and never an error: for ssh')
    .option('--force', 'renew it in any case')
    .option('--all-profiles', 'every one of every profile, ahead of time: for a timer')
    .option(
      '--environment <project/environment>',
      'one of its own that names your roles there, for hosts without a companion',
      environmentName,
    )
    .addOption(cert.createOption('--home <folder>', 'the home folder that ssh was set up for').hideHelp())
    .action((options) =>
      go(async (context) => {
        if (options.allProfiles)
          return (await import('../commands/cert-all.ts')).certEnsureAll(context, options);
        return (await import('../commands/cert.ts')).certEnsure(context, options);
      }, options.home),
    );

  sub(cert, 'reset', 'throw away every key and certificate here, and get new ones; the login stays').action(
    () => go(async (context) => (await import('../commands/cert-reset.ts')).certReset(context)),
  );

  sub(program, 'inspect', 'show what is in a certificate, a public key, a revocation list or a signature')
    .argument('[file]', 'or - for standard input (default: the certificate that ssh uses now)')
    .option('--json', 'for programs, as docs/certificates.md says')
    .option('--md5', 'MD5 fingerprints too, as old software shows them')
    .addHelpText('after', () => inspectHelp)
    .action((file: string | undefined, options) =>
      go(async (context) => (await import('../commands/inspect.ts')).inspect(context, file, options)),
    );

  sub(program, 'explain', 'would you get in, and if not, why and what to do')
    .argument('<name...>', 'a target, such as shop-production--web; admins: an account and a target')
    .usage('[options] [account] <target>')
    .option('--account <account>', 'for admins: ask about somebody else')
    .option('--without-mfa', 'if the login had no second factor')
    .option('--mfa-age <seconds>', 'if the second factor were so old, such as 600 or 10m', span)
    .addOption(
      new Option('--role <role>', 'if the account had this role, and no other').choices([
        'viewer',
        'contributor',
        'admin',
      ]),
    )
    .option('--at <time>', 'at another time: 2026-05-04T10:00:00Z, or "in 2h"')
    .option('--as-token', 'if an API token asked')
    .option('--json', 'for programs')
    .action((names: string[], options) =>
      go(async (context) => (await import('../commands/explain.ts')).explain(context, names, options)),
    );

  const config = sub(program, 'ssh-config', 'the part of your ssh config that is about *.sallyport');
  sub(config, 'install', 'add it (login does)')
    .option('--server <url>', 'with SALLY_TOKEN and the like: the Sallyport server')
    .action((options) =>
      go(async (context) => (await import('../commands/ssh-config.ts')).sshConfigInstall(context, options)),
    );
  sub(config, 'uninstall', 'take it out again').action(() =>
    go(async (context) => (await import('../commands/ssh-config.ts')).sshConfigUninstall(context)),
  );
  sub(config, 'policy', 'whether a login may add it: shown, or set')
    .argument('[policy]', 'yes: it does; ask: it asks first; no: it does not', policy)
    .action((wanted: SshConfigPolicy | undefined) =>
      go(async (context) => (await import('../commands/ssh-config.ts')).sshConfigPolicy(context, wanted)),
    );
  sub(config, 'show', 'print it').action(() =>
    go(async (context) => (await import('../commands/ssh-config.ts')).sshConfigShow(context)),
  );
}

/** @throws InvalidArgumentError */
function policy(text: string): SshConfigPolicy {
  if (text === 'yes' || text === 'ask' || text === 'no') return text;
  throw new InvalidArgumentError('Expected yes, ask or no.');
}

/** @throws InvalidArgumentError */
function environmentName(text: string): EnvironmentName {
  const [project = '', environment = '', ...more] = text.split('/');
  if (isSlug(project) && isSlug(environment) && more.length === 0) return { project, environment };
  throw new InvalidArgumentError('Expected a project and its environment, such as shop/production.');
}

const inspectHelp = `
It asks no server and needs no login. Of a file with several keys or
certificates (known_hosts, authorized_keys) each is shown. A private key is
refused, and nothing of it is shown.

Examples:
  sally inspect                       your certificate
  sally inspect ~/.ssh/id-cert.pub
  ssh-add -L | sally inspect -        what the agent holds
  sally inspect --json revoked.krl | jq -r '.found[0].version'

Ends with 0, or with 6 if something could not be read or the signature of a CA
is not good.
`;
