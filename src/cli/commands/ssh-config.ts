import { access, readFile } from 'node:fs/promises';
import { SallyportError } from '../../errors/sallyport-error.ts';
import type { SallyContext } from '../context.ts';
import { ensureCertificate } from '../ensure-certificate.ts';
import type { ExitName } from '../exit-codes.ts';
import { changeProfileSettings, readProfileSettings } from '../profiles/profile-settings.ts';
import { callSignedIn } from '../signed-in.ts';
import { readsOurConfig, sshCommand } from '../ssh-command.ts';
import type { SshConfigPolicy } from '../ssh-config-policy.ts';
import { includeLine } from '../ssh-config-text.ts';
import {
  removeSshConfiguration,
  sshConfigurationRequest,
  writeSshConfiguration,
} from '../ssh-configuration.ts';
import { withStateLock } from '../state-folder.ts';
import type { StatePaths } from '../state-paths.ts';
import { addIncludeLine, removeIncludeLine } from '../user-config.ts';

export async function sshConfigInstall(
  given: SallyContext,
  options: { readonly server?: string },
): Promise<ExitName> {
  const { environment, paths, terminal } = given;
  const context = options.server
    ? { ...given, paths, environment: { ...environment, server: options.server } }
    : given;
  const configuration = await callSignedIn(context, sshConfigurationRequest);
  // A token of a CI system may be good for one exchange: what it gives is asked for while it is at hand.
  if (context.machine) await firstCertificate(context);
  return await withStateLock<ExitName>(paths, async () => {
    await writeSshConfiguration(context, configuration);
    const outcome = await addIncludeLine(paths);
    // Who asks for it wants it after the next login too.
    await chooseUnless(paths, 'no', 'yes');
    terminal.print(
      outcome === 'added'
        ? `Added one line at the top of ${paths.userConfig}:`
        : `${paths.userConfig} has the line already:`,
    );
    terminal.print(`    ${includeLine(paths)}`);
    terminal.print('To undo it: sally ssh-config uninstall');
    if (!readsOurConfig(context)) {
      terminal.print(`ssh reads another config; use: ${sshCommand(context, 'HOST')}`);
    }
    return 'done';
  });
}

/** @throws what the server has against it */
async function firstCertificate(context: SallyContext): Promise<void> {
  const outcome = await ensureCertificate(context);
  if ('error' in outcome && !outcome.pair) throw outcome.error;
}

export async function sshConfigUninstall(context: SallyContext): Promise<ExitName> {
  const { paths, terminal } = context;
  return await withStateLock<ExitName>(paths, async () => {
    // First the line, so that ssh never meets an Include of half of it.
    const outcome = await removeIncludeLine(paths);
    const gone = await removeSshConfiguration(context);
    await chooseUnless(paths, 'yes', 'no');
    terminal.print(
      outcome === 'removed'
        ? `Removed the line from ${paths.userConfig}; the rest of the file is as it was.`
        : `${paths.userConfig} does not have the line.`,
    );
    for (const path of gone) terminal.print(`Removed ${path}`);
    if (await exists(paths.backup)) {
      terminal.print(`Left for you: ${paths.backup}, your config before the line first came.`);
    }
    if (await exists(paths.session)) terminal.say('You are still logged in; to end that: sally logout');
    return 'done';
  });
}

/** What was chosen changes only where it would undo this at the next login. */
async function chooseUnless(
  paths: StatePaths,
  undoes: SshConfigPolicy,
  next: SshConfigPolicy,
): Promise<void> {
  const { ssh_config } = await readProfileSettings(paths);
  if (ssh_config === undoes) await changeProfileSettings(paths, { ssh_config: next });
}

/** Shows or sets what a login may do. */
export async function sshConfigPolicy(
  { paths, terminal }: SallyContext,
  wanted: SshConfigPolicy | undefined,
): Promise<ExitName> {
  if (wanted === undefined) {
    terminal.print((await readProfileSettings(paths)).ssh_config);
    return 'done';
  }
  return await withStateLock<ExitName>(paths, async () => {
    await changeProfileSettings(paths, { ssh_config: wanted });
    terminal.print(whatItMeans[wanted]);
    return 'done';
  });
}

const whatItMeans: Readonly<Record<SshConfigPolicy, string>> = {
  yes: 'A login adds its line to your ssh config.',
  ask: 'A login asks before it adds its line to your ssh config.',
  no: 'A login leaves your ssh config alone. To add the line: sally ssh-config install',
};

/** What ssh reads: our line, our config and the hosts. */
export async function sshConfigShow({ paths, terminal }: SallyContext): Promise<ExitName> {
  const texts = await Promise.all(
    [paths.config, paths.byHand, paths.hosts].map(async (path) => ({
      path,
      text: await readFile(path, 'utf8').catch(() => null),
    })),
  );
  if (texts.every(({ text }) => text === null)) {
    throw new SallyportError(
      'not_found',
      'No ssh config is installed. Run: sally login, or sally ssh-config install',
    );
  }
  terminal.print(terminal.dim(`# ${paths.userConfig}`));
  terminal.print(includeLine(paths));
  for (const { path, text } of texts) {
    terminal.print();
    terminal.print(terminal.dim(`# ${path}`));
    terminal.print(text?.trimEnd() ?? '# (missing)');
  }
  return 'done';
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
