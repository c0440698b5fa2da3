import { type Command, InvalidArgumentError } from 'commander';
import { isProfileName } from '../state-paths.ts';
import { type Go, sub } from './build.ts';

export function addProfileCommands(program: Command, go: Go): void {
  addTimerCommands(program, go);
  const load = async () => await import('../commands/profile.ts');
  const profile = sub(program, 'profile', 'several accounts and servers side by side').addHelpText(
    'after',
    () => profileHelp,
  );
  sub(profile, 'list', 'your profiles; * is the one that ssh goes by')
    .option('--json', 'for programs')
    .action((options) => go(async (context) => (await load()).profileList(context, options)));
  sub(profile, 'use', 'from now on ssh goes by this one')
    .argument('<name>', 'the profile', profileName)
    .option('--json', 'for programs')
    .action((name: string, options) =>
      go(async (context) => (await load()).profileUse(context, name, options)),
    );
  sub(profile, 'add', 'one more')
    .argument('<name>', 'its name, such as work', profileName)
    .requiredOption('--server <url>', 'its Sallyport server')
    .option('--ca-file <file>', 'PEM file: believe these certificate authorities alone')
    .option('--keychain', "seal its secrets with a key in the system's keychain")
    .action((name: string, options) =>
      go(async (context) => (await load()).profileAdd(context, name, options)),
    );
  sub(profile, 'set', 'change what it was added with; without options, show it')
    .argument('[name]', 'the profile (default: the one in use)', profileName)
    .option('--server <url>', 'where its next login goes')
    .option('--ca-file <file>', 'PEM file: believe these certificate authorities alone')
    .option('--no-ca-file', 'those that this machine trusts')
    .option('--keychain', "seal its secrets with a key in the system's keychain")
    .option('--no-keychain', 'keep its secrets in a file that only you can read')
    .option('--json', 'for programs')
    .action((name: string | undefined, options) =>
      go(async (context) => (await load()).profileSet(context, name, options)),
    );
  sub(profile, 'trust', 'accept that another authority vouches for the server')
    .option('--yes', 'without a question')
    .action((options) => go(async (context) => (await load()).profileTrust(context, options)));
  sub(profile, 'remove', 'log out of it and delete it')
    .argument('<name>', 'the profile', profileName)
    .option('--yes', 'without a question')
    .action((name: string, options) =>
      go(async (context) => (await load()).profileRemove(context, name, options)),
    );
}

function addTimerCommands(program: Command, go: Go): void {
  const load = async () => await import('../commands/timer.ts');
  const timer = sub(program, 'timer', 'have the system renew certificates ahead of time').addHelpText(
    'after',
    () => timerHelp,
  );
  sub(timer, 'install', 'a timer of systemd, launchd or the Windows Task Scheduler').action(() =>
    go(async (context) => (await load()).timerInstall(context)),
  );
  sub(timer, 'uninstall', 'take it away again').action(() =>
    go(async (context) => (await load()).timerUninstall(context)),
  );
  sub(timer, 'status', 'whether there is one')
    .option('--json', 'for programs')
    .action((options) => go(async (context) => (await load()).timerStatus(context, options)));
}

/** @throws InvalidArgumentError */
function profileName(text: string): string {
  if (isProfileName(text)) return text;
  throw new InvalidArgumentError('Expected up to 32 of a-z, 0-9 and - between them, such as work.');
}

const profileHelp = `
ssh goes by one profile at a time; every command of sally can be told another.
Switching ends nothing: logins stay, and so do connections.

Examples:
  sally profile add work --server https://ssh.example.com
  sally login --profile work
  sally profile use work
  SALLY_PROFILE=default sally ls
`;

const timerHelp = `
Without a timer, an ssh that comes when a renewal is due waits for it a moment.
What a timer starts writes nothing and asks nobody.

Examples:
  sally timer install
  sally timer status --json
`;
