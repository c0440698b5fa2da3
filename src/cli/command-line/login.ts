import type { Command } from 'commander';
import { type Go, sub, wholeNumber } from './build.ts';

export function addLoginCommands(program: Command, go: Go): void {
  sub(program, 'login', 'log in with the browser, get a certificate, set ssh up')
    .option('--server <url>', 'the Sallyport server (default: SALLY_SERVER, the last one, the local demo)')
    .option('--no-browser', 'only print the address; open it here or on any other machine')
    .option('--device', 'show a short code, which a browser on any machine confirms')
    .option('--provider <slug>', 'the identity provider to go to, where there are several')
    .option('--mfa', 'with a second factor, whatever your organization asks for')
    .option('--keychain', "seal its tokens with a key in the system's keychain, from now on")
    .option('--no-keychain', 'keep them in a file that only you can read (the default)')
    .option('--ca-file <file>', 'PEM file: believe these certificate authorities alone, from now on')
    .option('--no-ca-file', 'those that this machine trusts')
    .option('--max-age <seconds>', 'a login that is at most so old', wholeNumber(0, 2_592_000))
    .option('--key <which>', 'where the key is: sk, file, ecdsa, rsa, agent:FINGERPRINT')
    .option('--pin', 'with --key sk: it asks for a PIN or a finger at each use')
    .option('--resident', 'with --key sk: other machines can read it from the security key')
    .option('--new-key', 'with --key sk: make another one')
    .option('--add-to-agent', 'give each key to your ssh-agent (SSH_AUTH_SOCK) until its certificate ends')
    .option('--no-add-to-agent', 'do so no more')
    .addHelpText('after', () => loginHelp)
    .action((options) =>
      go(async (context) => (await import('../commands/login.ts')).login(context, options)),
    );
  sub(program, 'logout', 'end the session and delete keys, certificates and tokens')
    .option('--all', 'end your sessions on all machines, and in browsers')
    .option('--other', 'end all but this one, and stay logged in here')
    .action((options) =>
      go(async (context) => (await import('../commands/logout.ts')).logout(context, options)),
    );
  sub(program, 'status', 'who is logged in and how long the certificate lasts; asks no server')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('../commands/status.ts')).status(context, options)),
    );
  sub(program, 'whoami', 'who you are for the server')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('../commands/whoami.ts')).whoami(context, options)),
    );
  const stepUp = program.command('step-up', { hidden: true });
  stepUp
    .description('for ssh: log in again where a target wants a younger second factor')
    .copyInheritedSettings(program)
    .argument('<target>')
    .addOption(stepUp.createOption('--home <folder>', 'the home folder that ssh was set up for').hideHelp())
    .action((target: string, options) =>
      go(
        async (context) => (await import('../commands/step-up.ts')).stepUpForSsh(context, target),
        options.home,
      ),
    );
  const sessions = sub(program, 'sessions', 'your own login sessions, on all machines');
  sub(sessions, 'list', 'where you are logged in')
    .option('--all', 'ended ones too')
    .option('--json', 'for programs')
    .action((options) =>
      go(async (context) => (await import('../commands/own-sessions.ts')).ownSessionsList(context, options)),
    );
  sub(sessions, 'end', 'end one, with its certificates and live connections')
    .argument('<session>', 'its id')
    .option('--json', 'for programs')
    .action((id: string, options) =>
      go(async (context) =>
        (await import('../commands/own-sessions.ts')).ownSessionsEnd(context, id, options),
      ),
    );
  sub(program, 'passkeys', 'open the page of your passkeys and recovery codes')
    .option('--no-browser', 'only print the address')
    .action((options) =>
      go(async (context) => (await import('../commands/passkeys.ts')).passkeys(context, options)),
    );
}

const loginHelp = `
Examples:
  sally login --server https://ssh.example.com
  sally login --mfa --max-age 900     production wants a fresh second factor
  sally login --no-browser            in a shell over SSH: paste the address
  sally login --device                the same with a short code, where allowed
  sally login --key sk                with a key in a security key
  sally login --key agent:alice@tpm   with one that your agent holds

While you are logged in, a login renews that session: connections stay.
`;
