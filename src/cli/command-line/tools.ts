/** What helps when it does not work: doctor, and the switches of SSH. */
import type { Command } from 'commander';
import type { SwitchOptions } from '../commands/admin-switch.ts';
import { type Go, sub } from './build.ts';

export function addToolCommands(program: Command, go: Go): void {
  sub(program, 'doctor', 'look for what is wrong here, and say how to mend it')
    .option('--fix', 'mend what can be mended safely: modes, files of ours, our line in the ssh config')
    .option('--offline', 'ask neither the server nor the gateways')
    .option('--json', 'for support: without secrets, account and home folder')
    .addHelpText('after', () => doctorHelp)
    .action((options) =>
      go(async (context) => (await import('../commands/doctor.ts')).doctor(context, options)),
    );

  const access = sub(program, 'ssh-access', 'whether SSH is switched on, at every level').addHelpText(
    'after',
    () => accessHelp,
  );
  for (const [word, state, what] of [
    ['enable', 'on', 'for admins: open it'],
    ['disable', 'off', 'for admins: close it to a place and everything below it, at once'],
  ] as const) {
    sub(access, word, what)
      .argument('[place]', 'such as shop, shop/production or shop/production/web')
      .option('--organization', 'everything')
      .option('--yes', 'without asking')
      .option('--json', 'for programs')
      .addHelpText('after', () => switchHelp(word))
      .action((place: string | undefined, options: SwitchOptions) =>
        go(async (context) =>
          (await import('../commands/ssh-access.ts')).sshAccessSwitch(context, state, place, options),
        ),
      );
  }
  sub(access, 'show', 'the first level that is off; ends with 4 if one is')
    .argument('[name]', 'a target, as for ssh; admins: or a place (default: the app of this folder)')
    .option('--json', 'for programs')
    .addHelpText('after', () => showHelp)
    .action((name: string | undefined, options) =>
      go(async (context) =>
        (await import('../commands/ssh-access.ts')).sshAccessShow(context, name, options),
      ),
    );
}

const doctorHelp = `
Examples:
  sally doctor
  sally doctor --fix
  sally doctor --json > for-support.json

Ends with 0 if nothing is wrong (warnings are no problem), with 8 otherwise.
`;

const accessHelp = `
Examples:
  sally ssh-access show web
  sally ssh-access disable shop/production
  sally ssh-access enable shop/production
`;

const switchHelp = (word: string) => `
Examples:
  sally ssh-access ${word} shop/production/web
  sally ssh-access ${word} --organization --yes

Organization, project, environment and app must all be on. The change counts
from the next connection on; nothing is restarted.
`;

const showHelp = `
Examples:
  sally ssh-access show shop-production--web
  sally ssh-access show shop/production --json
`;
